// Micro-kernels of causal attention: small matrix products over tiles that stay in the caches.
//
//            keys from s
//            +-----+   A tile of scores is [kTile queries, kTile keys]. On the diagonal (s = t)
//   queries  |\    |   the triangle above is masked; where `Zeros` says that an operand or the
//   from t   |  \  |   result is zero there, it is not computed.
//            |    \|
#pragma once

#include "packed_words.h"

namespace tessera {

/** Positions per tile, of queries and of keys. */
constexpr int64_t kTile = 64;

/** Row stride of a tile: rows a power of two apart would map to few sets of the L1 cache. */
constexpr int64_t kTileStep = kTile + 16;

/** A left operand read word by word, so that a transpose costs nothing. */
struct Scattered {
  const float* data;
  int64_t row, column;  // steps
};

/**
 * c [kTileRows, V vectors] += a b over `words`. Inlined, because constant strides free registers.
 */
template <int V>
[[gnu::always_inline]] inline void microProduct(Fp32, Scattered a, Packed b, Packed c,
                                                int64_t words) {
  Sums<V> sums(c);
  for (int64_t k = 0; k < words; ++k, a.data += a.column) {
    Simd right[V];
    for (int v = 0; v < V; ++v) right[v] = b.simd(k, v);
#pragma GCC unroll 8
    for (int r = 0; r < kTileRows; ++r) {
      const float left = a.data[r * a.row];
      for (int v = 0; v < V; ++v) sums.tile[r][v] += left * right[v];
    }
  }
  sums.store(c);
}

/** A tile as the left operand of a product that sums over its columns, or over its rows. */
template <class Element>
class Left;

template <>
class Left<Fp32> {
 public:
  static Scattered overColumns(const float* tile) { return {tile, kTileStep, 1}; }
  static Scattered overRows(const float* tile) { return {tile, 1, kTileStep}; }
};

/** Rows as the right operand of products that sum over rows: unchanged for fp32. */
inline float* pairRows(Fp32, float* rows, float*, int64_t, int64_t, int64_t) { return rows; }

#if defined(__AVX512F__)

template <int V>
[[gnu::noinline, gnu::target("avx512bf16")]] void microProduct(Bf16Pairs, Scattered a, Packed b,
                                                               Packed c, int64_t words) {
  Sums<V> sums(c);
  for (int64_t k = 0; k < words; ++k, a.data += a.column) {
    __m512bh right[V];
    for (int v = 0; v < V; ++v) right[v] = reinterpret_cast<__m512bh>(b.simd(k, v));
#pragma GCC unroll 8
    for (int r = 0; r < kTileRows; ++r) {
      const auto left = reinterpret_cast<__m512bh>(_mm512_set1_ps(a.data[r * a.row]));
      for (int v = 0; v < V; ++v)
        sums.tile[r][v] = _mm512_dpbf16_ps(sums.tile[r][v], left, right[v]);
    }
  }
  sums.store(c);
}

/**
 * bf16 rows [time, step] -> workspace [time / 2, step]: even and odd rows interleaved (VNNI
 * layout).
 */
inline float* pairRows(Bf16Pairs, float* rows, float* workspace, int64_t time, int64_t depth,
                       int64_t step) {
  for (int64_t t = 0; t < time; t += 2) {
    const auto* even = reinterpret_cast<const uint16_t*>(rows + t * step);
    interleave(even, even + Bf16Pairs::kElements * step, depth, workspace + t / 2 * step);
  }
  return workspace;
}

/** Rounded to bf16. */
template <>
class Left<Bf16Pairs> {
 public:
  [[gnu::target("avx512bf16")]] Scattered overColumns(const float* tile) {
    for (int64_t r = 0; r < kTile; ++r) {
      for (int64_t c = 0; c < kTile; c += 2 * kLanes) {
        const float* from = tile + r * kTileStep + c;
        put(r * kTileStep + c / 2,
            _mm512_cvtne2ps_pbh(_mm512_loadu_ps(from + kLanes), _mm512_loadu_ps(from)));
      }
    }
    return {words_, kTileStep, 1};
  }
  [[gnu::target("avx512bf16")]] Scattered overRows(const float* tile) {
    alignas(64) static constexpr uint16_t kInTurn[] = {0,  16, 1,  17, 2,  18, 3,  19, 4,  20, 5,
                                                       21, 6,  22, 7,  23, 8,  24, 9,  25, 10, 26,
                                                       11, 27, 12, 28, 13, 29, 14, 30, 15, 31};
    const __m512i inTurn = _mm512_load_si512(kInTurn);
    for (int64_t r = 0; r < kTile; r += 2) {
      for (int64_t c = 0; c < kTile; c += kLanes) {
        const float* even = tile + r * kTileStep + c;
        const float* odd = even + kTileStep;
        const __m512bh both = _mm512_cvtne2ps_pbh(_mm512_loadu_ps(odd), _mm512_loadu_ps(even));
        put(r / 2 * kTileStep + c, reinterpret_cast<__m512bh>(_mm512_permutexvar_epi16(
                                       inTurn, reinterpret_cast<__m512i>(both))));
      }
    }
    return {words_, 1, kTileStep};
  }

 private:
  [[gnu::target("avx512bf16")]] void put(int64_t word, __m512bh pairs) {
    _mm512_store_si512(words_ + word, reinterpret_cast<__m512i>(pairs));
  }
  alignas(64) float words_[kTile * kTileStep];
};

#endif

/** Which triangle of a product of diagonal tiles is zero and is skipped. */
enum class Zeros { none, resultAbove, leftAbove, leftBelow };

/** Columns of `addProduct` from `column` on, V vectors wide. */
template <class Element, int V>
inline void addColumns(Scattered a, Packed b, Packed c, int64_t rows, int64_t column, int64_t depth,
                       Zeros zeros) {
  for (int64_t row = zeros == Zeros::resultAbove ? column : 0; row < rows; row += kTileRows) {
    const int64_t first = zeros == Zeros::leftBelow ? row / Element::kElements : 0;
    const int64_t last = (zeros == Zeros::leftAbove ? row + kTileRows : depth) / Element::kElements;
    microProduct<V>(Element(), {a.data + row * a.row + first * a.column, a.row, a.column},
                    b.from(first, column), c.from(row, column), last - first);
  }
}

/**
 * c [rows, columns] += a [rows, depth] b [depth, columns]. Rows are a multiple of kTileRows, columns
 * of kLanes.
 */
template <class Element>
inline void addProduct(Scattered a, Packed b, Packed c, int64_t rows, int64_t columns,
                       int64_t depth, Zeros zeros) {
  int64_t column = 0;
  for (; column + 2 * kLanes <= columns; column += 2 * kLanes)
    addColumns<Element, 2>(a, b, c, rows, column, depth, zeros);
  for (; column < columns; column += kLanes)
    addColumns<Element, 1>(a, b, c, rows, column, depth, zeros);
}

}  // namespace tessera
