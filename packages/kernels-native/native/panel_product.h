// Products of blocks that stay in the caches: rows of a left side times panels.
#pragma once

#include "panels.h"
#include "parallel.h"

namespace tessera {

/** A block has this many rows and panels at most. */
constexpr int64_t kBlockRows = 96, kBlockPanels = 12, kBlockColumns = kBlockPanels * kPanel;
/** Cells that a product sums over before it goes on to other rows. */
constexpr int64_t kDepth = 384;
/** From row to row of a block: not a power of two, which would fill the same cache sets. */
constexpr int64_t kBlockStep = kBlockColumns + 16;

/** Groups of kTileRows rows of a left side. */
struct LeftRows {
  const float* data;
  /** From group to group. */
  int64_t step;
  /** Whether each cell of a group's rows lies beside the same cell of the others; else rows are kBlockStep apart. */
  bool grouped;
};

/** Asks for the rows after c's, which the next product adds to. */
template <int V>
[[gnu::always_inline]] inline void prefetchAfter(Packed c) {
  for (int r = kTileRows; r < 2 * kTileRows; ++r) {
    for (int v = 0; v < V; ++v) __builtin_prefetch(&c.lanes(r, v), 1);
  }
}

/** c [kTileRows, V lanes] = a b (+ c). Row and Column are the steps between a's cells. */
template <int V, int64_t Row, int64_t Column>
[[gnu::noinline]] void panelProduct(Singles, const float* a, const float* b, Packed c, int64_t cells, bool zero) {
  prefetchAfter<V>(c);
  Sums<V> sums(c, zero);
  for (int64_t k = 0; k < cells; ++k, a += Column, b += V * kLanes) {
    Lanes right[V];
    for (int v = 0; v < V; ++v) right[v] = *reinterpret_cast<const Lanes*>(b + v * kLanes);
#pragma GCC unroll 8
    for (int r = 0; r < kTileRows; ++r) {
      const float left = a[r * Row];
      for (int v = 0; v < V; ++v) sums.of[r][v] += left * right[v];
    }
  }
  sums.store(c);
}

#if defined(__AVX512F__)
template <int V, int64_t Row, int64_t Column>
[[gnu::noinline, gnu::target("avx512bf16")]] void panelProduct(Pairs, const float* a, const float* b, Packed c,
                                                               int64_t cells, bool zero) {
  prefetchAfter<V>(c);
  Sums<V> sums(c, zero);
  for (int64_t k = 0; k < cells; ++k, a += Column, b += V * kLanes) {
    __m512bh right[V];
    for (int v = 0; v < V; ++v) right[v] = reinterpret_cast<__m512bh>(_mm512_loadu_ps(b + v * kLanes));
#pragma GCC unroll 8
    for (int r = 0; r < kTileRows; ++r) {
      const auto left = reinterpret_cast<__m512bh>(_mm512_set1_ps(a[r * Row]));
      for (int v = 0; v < V; ++v) sums.of[r][v] = _mm512_dpbf16_ps(sums.of[r][v], left, right[v]);
    }
  }
  sums.store(c);
}
#endif

template <class Of, int V>
void panelProduct(bool grouped, const float* a, const float* b, Packed c, int64_t cells, bool zero) {
  if (grouped) return panelProduct<V, 1, kTileRows>(Of(), a, b, c, cells, zero);
  panelProduct<V, kBlockStep, 1>(Of(), a, b, c, cells, zero);
}

/**
 * c [rows, columns of `panels`] = a b (+ c), over `cells` of b from `cell` on, where a begins. Writes whole groups
 * of rows, and whole lanes.
 */
template <class Of>
void multiplyBlock(const LeftRows& a, int64_t rows, const Panels& b, Part panels, int64_t cell, int64_t cells,
                   Packed c, bool zero) {
  for (int64_t p = panels.first; p < panels.last; ++p) {
    const float* right = b.at(p, cell);
    for (int64_t r = 0; r < rows; r += kTileRows) {
      const float* left = a.data + r / kTileRows * a.step;
      const Packed to = c.from(r, (p - panels.first) * kPanel);
      switch (b.width(p) / kLanes) {
        case 3:
          panelProduct<Of, 3>(a.grouped, left, right, to, cells, zero);
          break;
        case 2:
          panelProduct<Of, 2>(a.grouped, left, right, to, cells, zero);
          break;
        default:
          panelProduct<Of, 1>(a.grouped, left, right, to, cells, zero);
      }
    }
  }
}

/** Calls step(cell, cells) for equal parts of all `cells`, of kDepth at most. */
template <typename Step>
void eachDepth(int64_t cells, Step step) {
  const int64_t parts = (cells + kDepth - 1) / kDepth;
  for (int64_t i = 0; i < parts; ++i) {
    const Part part(cells, i, parts);
    step(part.first, part.size());
  }
}

/** A left side whose groups hold all their cells, side by side. */
struct Groups {
  float* data;
  int64_t cells;

  static int64_t size(int64_t rows, int64_t cells) { return padded(rows, kTileRows) * cells; }
  LeftRows from(int64_t row, int64_t cell) const {
    return {data + row * cells + cell * kTileRows, cells * kTileRows, true};
  }
};

/** Rows [first, last) of out [rows, b.columns] = a b (+ out); room holds one block. */
template <class Of>
void multiplyRows(const Groups& a, Part rows, const Panels& b, float* out, bool accumulate, float* room) {
  const int64_t N = b.columns;
  for (int64_t row = rows.first; row < rows.last; row += kBlockRows) {
    const int64_t height = std::min(kBlockRows, rows.last - row);
    const bool whole = N % kLanes == 0 && height % kTileRows == 0;
    for (int64_t panel = 0; panel < b.count(); panel += kBlockPanels) {
      const Part panels(panel, std::min(panel + kBlockPanels, b.count()));
      float* first = out + row * N + panel * kPanel;
      const Packed c = whole ? Packed{first, N} : Packed{room, kBlockStep};
      eachDepth(b.cells, [&](int64_t cell, int64_t cells) {
        multiplyBlock<Of>(a.from(row, cell), height, b, panels, cell, cells, c, cell == 0 && !(whole && accumulate));
      });
      if (whole) continue;
      const int64_t width = std::min(panels.last * kPanel, N) - panel * kPanel;
      for (int64_t r = 0; r < height; ++r) {
        const float* from = room + r * kBlockStep;
        float* to = first + r * N;
        for (int64_t i = 0; i < width; ++i) to[i] = accumulate ? to[i] + from[i] : from[i];
      }
    }
  }
}

}  // namespace tessera
