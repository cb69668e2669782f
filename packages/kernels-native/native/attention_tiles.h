// What causal attention computes with: small matrix products over tiles that stay in the caches,
// and rows packed for them as fp32, padded with zeros to whole tiles.
#pragma once

#include <algorithm>
#include <cstring>

#include "lanes.h"

namespace tessera {

#if defined(__AVX512F__)
constexpr int64_t kLanes = 16, kTileRows = 8;
#else
constexpr int64_t kLanes = 8, kTileRows = 4;
#endif

/** Positions per tile, of queries and of keys. */
constexpr int64_t kTile = 64;

/** From row to row of a tile: rows a power of two apart would meet in few sets of the first cache. */
constexpr int64_t kTileStep = kTile + 16;

typedef float Lanes __attribute__((vector_size(kLanes * sizeof(float)), aligned(4), may_alias));

inline int64_t padded(int64_t size, int64_t step) { return (size + step - 1) / step * step; }

/** A matrix read one element at a time, so that its transpose costs nothing. */
struct Scattered {
  const float* data;
  int64_t row, column;  // steps
};

/** A matrix whose rows are whole lanes. */
struct Packed {
  float* data;
  int64_t step;

  Packed from(int64_t row, int64_t column) const { return {data + row * step + column, step}; }
  Lanes& lanes(int64_t row, int v) const { return *reinterpret_cast<Lanes*>(data + row * step + v * kLanes); }
};

/** c[0..kTileRows, 0..V lanes] += a b, over `depth`. Steps known where it is inlined leave it registers. */
template <int V>
[[gnu::always_inline]] inline void microProduct(Scattered a, Packed b, Packed c, int64_t depth) {
  Lanes sums[kTileRows][V];
  for (int r = 0; r < kTileRows; ++r) {
    for (int v = 0; v < V; ++v) sums[r][v] = c.lanes(r, v);
  }
  for (int64_t k = 0; k < depth; ++k) {
    Lanes right[V];
    for (int v = 0; v < V; ++v) right[v] = b.lanes(k, v);
#pragma GCC unroll 8
    for (int r = 0; r < kTileRows; ++r) {
      const float left = a.data[r * a.row + k * a.column];
      for (int v = 0; v < V; ++v) sums[r][v] += left * right[v];
    }
  }
  for (int r = 0; r < kTileRows; ++r) {
    for (int v = 0; v < V; ++v) c.lanes(r, v) = sums[r][v];
  }
}

/** What is zero in a product of diagonal tiles, and need not be multiplied. */
enum class Zeros { none, resultAbove, leftAbove, leftBelow };

/** Columns [column, column + V lanes) of `addProduct`. */
template <int V>
inline void addColumns(Scattered a, Packed b, Packed c, int64_t column, int64_t depth, Zeros zeros) {
  for (int64_t row = zeros == Zeros::resultAbove ? column : 0; row < kTile; row += kTileRows) {
    const int64_t first = zeros == Zeros::leftBelow ? row : 0;
    const int64_t last = zeros == Zeros::leftAbove ? row + kTileRows : depth;
    microProduct<V>({a.data + row * a.row + first * a.column, a.row, a.column}, b.from(first, column),
                    c.from(row, column), last - first);
  }
}

/** c [kTile, columns] += a [kTile, depth] b [depth, columns]; columns are whole lanes. */
inline void addProduct(Scattered a, Packed b, Packed c, int64_t columns, int64_t depth, Zeros zeros) {
  int64_t column = 0;
  for (; column + 2 * kLanes <= columns; column += 2 * kLanes) addColumns<2>(a, b, c, column, depth, zeros);
  for (; column < columns; column += kLanes) addColumns<1>(a, b, c, column, depth, zeros);
}

/** Rows of one head: row t starts at element first + t step, and has `depth` elements. */
struct HeadRows {
  const View& view;
  int64_t first, step, time, depth;

  /** Row t as floats, perhaps in `scratch`. Asks for a later one: processors foresee no steps this long. */
  const float* row(int64_t t, float* scratch) const {
    constexpr int64_t kAhead = 12, kLine = 64;
    const char* later = at(view, first + std::min(t + kAhead, time - 1) * step);
    for (int64_t byte = 0; byte < depth * bytesPer(view.type); byte += kLine) __builtin_prefetch(later + byte);
    return load(view, first + t * step, depth, scratch);
  }
};

/** rows times `factor` -> out [padded time, step], zeros where there is nothing. */
inline void pack(const HeadRows& rows, float factor, float* out, int64_t step) {
  const int64_t whole = padded(rows.time, kTile);
  for (int64_t t = 0; t < rows.time; ++t) {
    float* to = out + t * step;
    const float* from = rows.row(t, to);
#pragma omp simd
    for (int64_t d = 0; d < rows.depth; ++d) to[d] = from[d] * factor;
    std::memset(to + rows.depth, 0, (step - rows.depth) * sizeof(float));
  }
  std::memset(out + rows.time * step, 0, (whole - rows.time) * step * sizeof(float));
}

/** packed [time, step] -> out, a [depth, kTileStep] matrix for each tile of positions. */
inline void transposeTiles(const float* packed, int64_t time, int64_t depth, int64_t step, float* out) {
  for (int64_t first = 0; first < time; first += kTile) {
    float* tile = out + first / kTile * depth * kTileStep;
    for (int64_t d = 0; d < depth; ++d) {
      for (int64_t t = 0; t < kTile; ++t) tile[d * kTileStep + t] = packed[(first + t) * step + d];
    }
  }
}

/** The inverse of `pack`. */
inline void unpack(const float* packed, int64_t step, float factor, const HeadRows& rows) {
  for (int64_t t = 0; t < rows.time; ++t) {
    alignas(64) float scratch[kStretch];
    const float* from = packed + t * step;
    for (int64_t d = 0; d < rows.depth; d += kStretch) {
      const int64_t count = rows.depth - d < kStretch ? rows.depth - d : kStretch;
#pragma omp simd
      for (int64_t i = 0; i < count; ++i) scratch[i] = from[d + i] * factor;
      store(rows.view, rows.first + t * rows.step + d, count, scratch);
    }
  }
}

}  // namespace tessera
