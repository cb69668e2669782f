// The right side of a product in panels: a few lanes of columns, one row of cells after the other, as the
// product reads them.
#pragma once

#include "cells.h"

namespace tessera {

/** Lanes of a panel: kTileRows rows of them fill most registers. */
constexpr int kPanelLanes = 3;
constexpr int64_t kPanel = kPanelLanes * kLanes;

/** A row-major matrix, or the transpose of one. */
struct Source {
  View view;
  int64_t first, rows, columns;  // of the matrix in memory, whose first element is `first`
};

/** [cells, columns]; columns are filled up with zeros to whole lanes. */
struct Panels {
  float* data;
  int64_t cells, columns;

  int64_t count() const { return (columns + kPanel - 1) / kPanel; }
  int64_t width(int64_t panel) const { return std::min(padded(columns - panel * kPanel, kLanes), kPanel); }
  /** Cells in memory. */
  int64_t size() const { return cells * padded(columns, kLanes); }
  /** Where `cell` of `panel` begins. */
  float* at(int64_t panel, int64_t cell) const { return data + panel * kPanel * cells + cell * width(panel); }
};

/** At most kPanel columns of one row of cells. */
template <class Of>
void stackRows(const Source& from, int64_t cell, int64_t column, int64_t count, float* cells) {
  const int64_t first = from.first + cell * Of::kElements * from.columns + column;
  if constexpr (Of::kElements == 1) {
    toCells<Of>(from.view, first, count, cells);
  } else {
    alignas(64) float rows[2][kPanel / 2] = {};
    toCells<Of>(from.view, first, count, rows[0]);
    if (2 * cell + 1 < from.rows) toCells<Of>(from.view, first + from.columns, count, rows[1]);
    const auto* narrow = reinterpret_cast<const uint16_t*>(rows);
    interleave(narrow, narrow + kPanel, count, cells);
  }
}

/** Row `cell` of the panels of a matrix. */
template <class Of>
void packRow(const Source& from, const Panels& panels, int64_t cell) {
  for (int64_t p = 0; p < panels.count(); ++p) {
    const int64_t first = p * kPanel, count = std::min(from.columns - first, kPanel);
    float* to = panels.at(p, cell);
    stackRows<Of>(from, cell, first, count, to);
    std::memset(to + count, 0, (panels.width(p) - count) * sizeof(float));
  }
}

/** `height` rows of a matrix -> to[cell * step + row], zeros for rows it does not have. */
template <class Of>
void transposeRows(const Source& from, int64_t row, int64_t height, float* to, int64_t step) {
  constexpr int64_t kDepth = 128;
  const int64_t all = cellsOf<Of>(from.columns);
  for (int64_t cell = 0; cell < all; cell += kDepth) {
    alignas(64) float rows[kLanes][kDepth + 16];
    const int64_t depth = std::min(kDepth, all - cell), first = cell * Of::kElements;
    for (int64_t i = 0; i < height; ++i) {
      const int64_t count = std::min(depth * Of::kElements, from.columns - first);
      if (row + i < from.rows) toCells<Of>(from.view, from.first + (row + i) * from.columns + first, count, rows[i]);
      else std::memset(rows[i], 0, depth * sizeof(float));
    }
    for (int64_t d = 0; d < depth; ++d) {
      for (int64_t i = 0; i < height; ++i) to[(cell + d) * step + i] = rows[i][d];
    }
  }
}

/** Panel p of the transpose of a matrix. */
template <class Of>
void packPanel(const Source& from, const Panels& panels, int64_t p) {
  const int64_t width = panels.width(p);
  for (int64_t v = 0; v < width; v += kLanes) {
    transposeRows<Of>(from, p * kPanel + v, kLanes, panels.at(p, 0) + v, width);
  }
}

}  // namespace tessera
