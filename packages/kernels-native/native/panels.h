// The right operand of a blocked product, packed into panels in the order in which the micro-kernel
// reads it.
//
//   panel 0: | row of words 0: kPanel columns | row 1 | ... | row words - 1 |
//   panel 1: | row of words 0: kPanel columns | ...
#pragma once

#include "packed_words.h"

namespace tessera {

/** Vectors of a panel's row: kTileRows rows of them fill most registers. */
constexpr int kPanelLanes = 3;
constexpr int64_t kPanel = kPanelLanes * kLanes;

/** A row-major matrix, or the transpose of one. */
struct Source {
  View view;
  int64_t first, rows, columns;  // of the matrix in memory, whose first element is `first`
};

/** [words, columns]; columns are padded with zeros to full vectors. */
struct Panels {
  float* data;
  int64_t words, columns;

  int64_t count() const { return (columns + kPanel - 1) / kPanel; }
  int64_t width(int64_t panel) const {
    return std::min(padded(columns - panel * kPanel, kLanes), kPanel);
  }
  /** Words in memory. */
  int64_t size() const { return words * padded(columns, kLanes); }
  /** The start of row `word` of `panel`. */
  float* at(int64_t panel, int64_t word) const {
    return data + panel * kPanel * words + word * width(panel);
  }
};

/** Packs at most kPanel columns of one row of words. */
template <class Element>
void pairRows(const Source& from, int64_t word, int64_t column, int64_t count, float* words) {
  const int64_t first = from.first + word * Element::kElements * from.columns + column;
  if constexpr (Element::kElements == 1) {
    packWords<Element>(from.view, first, count, words);
  } else {
    alignas(64) float rows[2][kPanel / 2] = {};
    packWords<Element>(from.view, first, count, rows[0]);
    if (2 * word + 1 < from.rows)
      packWords<Element>(from.view, first + from.columns, count, rows[1]);
    const auto* narrow = reinterpret_cast<const uint16_t*>(rows);
    interleave(narrow, narrow + kPanel, count, words);
  }
}

/** Packs row `word` of all panels of a matrix. */
template <class Element>
void packRow(const Source& from, const Panels& panels, int64_t word) {
  for (int64_t p = 0; p < panels.count(); ++p) {
    const int64_t first = p * kPanel, count = std::min(from.columns - first, kPanel);
    float* to = panels.at(p, word);
    pairRows<Element>(from, word, first, count, to);
    std::memset(to + count, 0, (panels.width(p) - count) * sizeof(float));
  }
}

/** Transposes `height` rows of a matrix to to[word * step + row], with zeros for missing rows. */
template <class Element>
void transposeRows(const Source& from, int64_t row, int64_t height, float* to, int64_t step) {
  constexpr int64_t kDepth = 128;
  const int64_t all = wordCount<Element>(from.columns);
  for (int64_t word = 0; word < all; word += kDepth) {
    alignas(64) float rows[kLanes][kDepth + 16];
    const int64_t depth = std::min(kDepth, all - word), first = word * Element::kElements;
    for (int64_t i = 0; i < height; ++i) {
      const int64_t count = std::min(depth * Element::kElements, from.columns - first);
      if (row + i < from.rows)
        packWords<Element>(from.view, from.first + (row + i) * from.columns + first, count,
                           rows[i]);
      else
        std::memset(rows[i], 0, depth * sizeof(float));
    }
    for (int64_t d = 0; d < depth; ++d) {
      for (int64_t i = 0; i < height; ++i) to[(word + d) * step + i] = rows[i][d];
    }
  }
}

/** Packs panel p of the transpose of a matrix. */
template <class Element>
void packPanel(const Source& from, const Panels& panels, int64_t p) {
  const int64_t width = panels.width(p);
  for (int64_t v = 0; v < width; v += kLanes) {
    transposeRows<Element>(from, p * kPanel + v, kLanes, panels.at(p, 0) + v, width);
  }
}

}  // namespace tessera
