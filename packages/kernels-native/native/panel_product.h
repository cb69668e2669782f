// Blocked matrix products: rows of a left operand times panels of a right one, in blocks that stay
// in cache.
//
//                 | b: kBlockPanels panels of kPanel columns
//                 | p0 | p1 | ...
//          -------+----+----+----
//   a:     rows   | c  | c  |      c is accumulated over kDepth words of K at a time, by
//   kBlockRows    |    |    |      micro-kernels of kTileRows rows and one panel
#pragma once

#include "panels.h"
#include "parallel.h"

namespace tessera {

/** Maximum rows and panels of a block. */
constexpr int64_t kBlockRows = 96, kBlockPanels = 12, kBlockColumns = kBlockPanels * kPanel;
/** Words of K that a block accumulates before the next rows. */
constexpr int64_t kDepth = 384;
/** Row stride of a block: not a power of two, which would map to the same cache sets. */
constexpr int64_t kBlockStep = kBlockColumns + 16;

/** Groups of kTileRows rows of a left operand. */
struct LeftRows {
  const float* data;
  /** Distance between groups. */
  int64_t step;
  /** Whether the rows of a group are interleaved word by word; else they are kBlockStep apart. */
  bool grouped;
};

/** Prefetches the rows after c's, which the next micro-kernel accumulates into. */
template <int V>
[[gnu::always_inline]] inline void prefetchAfter(Packed c) {
  for (int r = kTileRows; r < 2 * kTileRows; ++r) {
    for (int v = 0; v < V; ++v) __builtin_prefetch(&c.simd(r, v), 1);
  }
}

/** c [kTileRows, V vectors] = a b (+ c). Row and Column are a's strides in words. */
template <int V, int64_t Row, int64_t Column>
[[gnu::noinline]] void panelProduct(Fp32, const float* a, const float* b, Packed c, int64_t words,
                                    bool zero) {
  prefetchAfter<V>(c);
  Sums<V> sums(c, zero);
  for (int64_t k = 0; k < words; ++k, a += Column, b += V * kLanes) {
    Simd right[V];
    for (int v = 0; v < V; ++v) right[v] = *reinterpret_cast<const Simd*>(b + v * kLanes);
#pragma GCC unroll 8
    for (int r = 0; r < kTileRows; ++r) {
      const float left = a[r * Row];
      for (int v = 0; v < V; ++v) sums.tile[r][v] += left * right[v];
    }
  }
  sums.store(c);
}

#if defined(__AVX512F__)
template <int V, int64_t Row, int64_t Column>
[[gnu::noinline, gnu::target("avx512bf16")]] void panelProduct(Bf16Pairs, const float* a,
                                                               const float* b, Packed c,
                                                               int64_t words, bool zero) {
  prefetchAfter<V>(c);
  Sums<V> sums(c, zero);
  for (int64_t k = 0; k < words; ++k, a += Column, b += V * kLanes) {
    __m512bh right[V];
    for (int v = 0; v < V; ++v)
      right[v] = reinterpret_cast<__m512bh>(_mm512_loadu_ps(b + v * kLanes));
#pragma GCC unroll 8
    for (int r = 0; r < kTileRows; ++r) {
      const auto left = reinterpret_cast<__m512bh>(_mm512_set1_ps(a[r * Row]));
      for (int v = 0; v < V; ++v)
        sums.tile[r][v] = _mm512_dpbf16_ps(sums.tile[r][v], left, right[v]);
    }
  }
  sums.store(c);
}
#endif

template <class Element, int V>
void panelProduct(bool grouped, const float* a, const float* b, Packed c, int64_t words,
                  bool zero) {
  if (grouped) return panelProduct<V, 1, kTileRows>(Element(), a, b, c, words, zero);
  panelProduct<V, kBlockStep, 1>(Element(), a, b, c, words, zero);
}

/**
 * c [rows, columns of `panels`] = a b (+ c) over `words` of b from `word` on, where a starts.
 * Writes full groups of rows and full vectors.
 */
template <class Element>
void multiplyBlock(const LeftRows& a, int64_t rows, const Panels& b, Range panels, int64_t word,
                   int64_t words, Packed c, bool zero) {
  for (int64_t p = panels.first; p < panels.last; ++p) {
    const float* right = b.at(p, word);
    for (int64_t r = 0; r < rows; r += kTileRows) {
      const float* left = a.data + r / kTileRows * a.step;
      const Packed to = c.from(r, (p - panels.first) * kPanel);
      switch (b.width(p) / kLanes) {
        case 3:
          panelProduct<Element, 3>(a.grouped, left, right, to, words, zero);
          break;
        case 2:
          panelProduct<Element, 2>(a.grouped, left, right, to, words, zero);
          break;
        default:
          panelProduct<Element, 1>(a.grouped, left, right, to, words, zero);
      }
    }
  }
}

/** Calls step(word, words) for equal parts of `words`, each at most kDepth. */
template <typename Step>
void eachDepth(int64_t words, Step step) {
  const int64_t parts = (words + kDepth - 1) / kDepth;
  for (int64_t i = 0; i < parts; ++i) {
    const Range range(words, i, parts);
    step(range.first, range.size());
  }
}

/** A left operand whose groups are interleaved over their full depth. */
struct Groups {
  float* data;
  int64_t words;

  static int64_t size(int64_t rows, int64_t words) { return padded(rows, kTileRows) * words; }
  LeftRows from(int64_t row, int64_t word) const {
    return {data + row * words + word * kTileRows, words * kTileRows, true};
  }
};

/** Rows [first, last) of out [rows, b.columns] = a b (+ out); workspace holds one block. */
template <class Element>
void multiplyRows(const Groups& a, Range rows, const Panels& b, float* out, bool accumulate,
                  float* workspace) {
  const int64_t N = b.columns;
  for (int64_t row = rows.first; row < rows.last; row += kBlockRows) {
    const int64_t height = std::min(kBlockRows, rows.last - row);
    const bool isFull = N % kLanes == 0 && height % kTileRows == 0;
    for (int64_t panel = 0; panel < b.count(); panel += kBlockPanels) {
      const Range panels(panel, std::min(panel + kBlockPanels, b.count()));
      float* first = out + row * N + panel * kPanel;
      const Packed c = isFull ? Packed{first, N} : Packed{workspace, kBlockStep};
      eachDepth(b.words, [&](int64_t word, int64_t words) {
        multiplyBlock<Element>(a.from(row, word), height, b, panels, word, words, c,
                               word == 0 && !(isFull && accumulate));
      });
      if (isFull) continue;
      const int64_t width = std::min(panels.last * kPanel, N) - panel * kPanel;
      for (int64_t r = 0; r < height; ++r) {
        const float* from = workspace + r * kBlockStep;
        float* to = first + r * N;
        for (int64_t i = 0; i < width; ++i) to[i] = accumulate ? to[i] + from[i] : from[i];
      }
    }
  }
}

}  // namespace tessera
