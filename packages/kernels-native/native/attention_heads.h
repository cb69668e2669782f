// The rows of attention's heads, packed for its matrix products: padded with zeros to full tiles.
#pragma once

#include <limits>

#include "attention_tiles.h"
#include "kernel.h"

namespace tessera {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

/** Rows of one head: row t starts at element first + t step, and has `depth` elements. */
struct HeadRows {
  const View& view;
  int64_t first, step, time, depth;

  /** Row t as it is stored. */
  const char* stored(int64_t t) const {
    prefetchAfter(t);
    return at(view, first + t * step);
  }
  /** Row t as floats, perhaps in `scratch`. */
  const float* row(int64_t t, float* scratch) const {
    prefetchAfter(t);
    return load(view, first + t * step, depth, scratch);
  }

 private:
  /** Prefetches a later row: hardware prefetchers do not follow strides this long. */
  void prefetchAfter(int64_t t) const {
    constexpr int64_t kAhead = 12, kLine = 64;
    const char* later = at(view, first + std::min(t + kAhead, time - 1) * step);
    for (int64_t byte = 0; byte < depth * bytesPer(view.type); byte += kLine)
      __builtin_prefetch(later + byte);
  }
};

/** The extents of a call, and the offsets of each head's rows. */
struct Heads {
  int64_t B, T, H, G, D;
  int64_t time, depth;  // padded to full tiles and full vectors
  int64_t step;         // words from row to row of a packed matrix
  float scale;

  explicit Heads(const Call& call)
      : B(call.in[0].extent(0)),
        T(call.in[0].extent(1)),
        H(call.in[0].extent(2)),
        G(call.in[1].extent(3)),
        D(call.in[0].extent(3)),
        time(padded(T, kTile)),
        depth(padded(D, kLanes)),
        step(depth + 16),
        scale(static_cast<float>(call.number("scale"))) {}

  int64_t elements() const { return time * step; }
  /** Rows of the tile from t that are not padding alone. */
  int64_t rowsFrom(int64_t t) const { return padded(std::min(kTile, T - t), kTileRows); }
  /** Offset of the transposed tile of the positions from s. */
  int64_t tileAt(int64_t s) const { return s / kTile * depth * kTileStep; }
  /**
   * Distance between packed matrices: not a power of two, which would map to the same cache sets.
   */
  int64_t stride() const { return std::max(elements(), tileAt(time)) + 1040; }
  HeadRows query(const View& view, int64_t b, int64_t h) const {
    return {view, (b * T * H + h) * D, H * D, T, D};
  }
  HeadRows key(const View& view, int64_t b, int64_t g) const {
    return {view, (b * T * 2 * G + g) * D, 2 * G * D, T, D};
  }
  HeadRows value(const View& view, int64_t b, int64_t g) const {
    return {view, (b * T * 2 * G + G + g) * D, 2 * G * D, T, D};
  }
};

/** rows -> out [padded time, step] of words, padded with zeros. */
template <class Element>
void pack(const HeadRows& rows, float* out, int64_t step) {
  constexpr int64_t kBytes = sizeof(float) / Element::kElements;
  for (int64_t t = 0; t < rows.time; ++t) {
    float* to = out + t * step;
    const void* from =
        Element::kElements == 1 ? static_cast<const void*>(rows.row(t, to)) : rows.stored(t);
    if (from != to) std::memcpy(to, from, rows.depth * kBytes);
    const int64_t padding = (padded(rows.depth, kLanes) - rows.depth) * kBytes;
    std::memset(reinterpret_cast<char*>(to) + rows.depth * kBytes, 0, padding);
  }
  std::memset(out + rows.time * step, 0,
              (padded(rows.time, kTile) - rows.time) * step * sizeof(float));
}

/**
 * Packed rows as the right operand of products that sum over rows; the result may be in
 * `workspace`.
 */
template <class Element>
float* pairRows(const Heads& at, float* rows, float* workspace) {
  return pairRows(Element(), rows, workspace, at.time, at.depth, at.step);
}

/** The rows from position t on, of what `pairRows` returned. */
template <class Element>
Packed pairedFrom(const Heads& at, float* paired, int64_t t) {
  return {paired + t / Element::kElements * at.step, at.step};
}

/**
 * Packed rows -> out: a transposed matrix [words of a row, kTileStep] for each tile of positions.
 */
template <class Element>
void transposeTiles(const Heads& at, const float* rows, float* out) {
  for (int64_t first = 0; first < at.time; first += kTile) {
    float* tile = out + at.tileAt(first);
    for (int64_t d = 0; d < at.depth / Element::kElements; ++d) {
      for (int64_t t = 0; t < kTile; ++t) tile[d * kTileStep + t] = rows[(first + t) * at.step + d];
    }
  }
}

/** Writes fp32 rows [time, step], times `factor`, to the rows of a head. */
inline void unpack(const float* packed, int64_t step, float factor, const HeadRows& rows) {
  for (int64_t t = 0; t < rows.time; ++t) {
    alignas(64) float scratch[kChunk];
    const float* from = packed + t * step;
    for (int64_t d = 0; d < rows.depth; d += kChunk) {
      const int64_t count = rows.depth - d < kChunk ? rows.depth - d : kChunk;
#pragma omp simd
      for (int64_t i = 0; i < count; ++i) scratch[i] = from[d + i] * factor;
      store(rows.view, rows.first + t * rows.step + d, count, scratch);
    }
  }
}

/** scores [rows, kTileStep] = q k^T, -infinity where a key is after its query. */
template <class Element>
void scoreTile(const Heads& at, const float* q, float* keyT, int64_t rows, bool diagonal,
               float* scores) {
  std::memset(scores, 0, static_cast<size_t>(rows * kTileStep) * sizeof(float));
  addProduct<Element>({q, at.step, 1}, {keyT, kTileStep}, {scores, kTileStep}, rows, kTile,
                      at.depth, diagonal ? Zeros::resultAbove : Zeros::none);
  if (!diagonal) return;
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t c = r + 1; c < kTile; ++c) scores[r * kTileStep + c] = -kInfinity;
  }
}

}  // namespace tessera
