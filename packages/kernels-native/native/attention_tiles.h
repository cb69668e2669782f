// What causal attention computes with: small matrix products over tiles that stay in the caches,
// and rows packed for them as fp32, padded with zeros to whole tiles.
#pragma once

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

typedef float Lanes __attribute__((vector_size(kLanes * sizeof(float)), aligned(4), may_alias));

inline int64_t padded(int64_t size, int64_t step) { return (size + step - 1) / step * step; }

/** A matrix read one element at a time, so that its transpose costs nothing. */
struct Scattered {
  const float* data;
  int64_t row, column;  // steps
};

/** c[0..kTileRows, 0..V lanes] += a b, over `depth`. */
template <int V>
inline void microProduct(Scattered a, const float* b, int64_t stepB, float* c, int64_t stepC, int64_t depth) {
  Lanes sums[kTileRows][V];
  for (int r = 0; r < kTileRows; ++r) {
    for (int v = 0; v < V; ++v) sums[r][v] = *reinterpret_cast<const Lanes*>(c + r * stepC + v * kLanes);
  }
  for (int64_t k = 0; k < depth; ++k) {
    Lanes right[V];
    for (int v = 0; v < V; ++v) right[v] = *reinterpret_cast<const Lanes*>(b + k * stepB + v * kLanes);
#pragma GCC unroll 8
    for (int r = 0; r < kTileRows; ++r) {
      const float left = a.data[r * a.row + k * a.column];
      for (int v = 0; v < V; ++v) sums[r][v] += left * right[v];
    }
  }
  for (int r = 0; r < kTileRows; ++r) {
    for (int v = 0; v < V; ++v) *reinterpret_cast<Lanes*>(c + r * stepC + v * kLanes) = sums[r][v];
  }
}

/** c [kTile, columns] += a [kTile, depth] b [depth, columns]; columns are whole lanes. */
inline void addProduct(Scattered a, const float* b, int64_t stepB, float* c, int64_t stepC, int64_t columns,
                       int64_t depth) {
  int64_t column = 0;
  for (; column + 2 * kLanes <= columns; column += 2 * kLanes) {
    for (int64_t row = 0; row < kTile; row += kTileRows) {
      microProduct<2>({a.data + row * a.row, a.row, a.column}, b + column, stepB, c + row * stepC + column, stepC,
                      depth);
    }
  }
  for (; column < columns; column += kLanes) {
    for (int64_t row = 0; row < kTile; row += kTileRows) {
      microProduct<1>({a.data + row * a.row, a.row, a.column}, b + column, stepB, c + row * stepC + column, stepC,
                      depth);
    }
  }
}

/** Rows of one head: row t starts at element first + t step, and has `depth` elements. */
struct HeadRows {
  const View& view;
  int64_t first, step, time, depth;
};

/** rows times `factor` -> out [padded time, paddedDepth], zeros where there is nothing. */
inline void pack(const HeadRows& rows, float factor, float* out, int64_t paddedDepth) {
  const int64_t whole = padded(rows.time, kTile);
  for (int64_t t = 0; t < rows.time; ++t) {
    float* to = out + t * paddedDepth;
    const float* from = load(rows.view, rows.first + t * rows.step, rows.depth, to);
#pragma omp simd
    for (int64_t d = 0; d < rows.depth; ++d) to[d] = from[d] * factor;
    std::memset(to + rows.depth, 0, (paddedDepth - rows.depth) * sizeof(float));
  }
  std::memset(out + rows.time * paddedDepth, 0, (whole - rows.time) * paddedDepth * sizeof(float));
}

/** packed [time, depth] -> out, a [depth, kTile] matrix for each tile of positions. */
inline void transposeTiles(const float* packed, int64_t time, int64_t depth, float* out) {
  for (int64_t first = 0; first < time; first += kTile) {
    for (int64_t d = 0; d < depth; ++d) {
      float* to = out + first * depth + d * kTile;
      for (int64_t t = 0; t < kTile; ++t) to[t] = packed[(first + t) * depth + d];
    }
  }
}

/** The inverse of `pack`. */
inline void unpack(const float* packed, int64_t paddedDepth, float factor, const HeadRows& rows) {
  for (int64_t t = 0; t < rows.time; ++t) {
    alignas(64) float scratch[kStretch];
    const float* from = packed + t * paddedDepth;
    for (int64_t d = 0; d < rows.depth; d += kStretch) {
      const int64_t count = rows.depth - d < kStretch ? rows.depth - d : kStretch;
#pragma omp simd
      for (int64_t i = 0; i < count; ++i) scratch[i] = from[d + i] * factor;
      store(rows.view, rows.first + t * rows.step + d, count, scratch);
    }
  }
}

}  // namespace tessera
