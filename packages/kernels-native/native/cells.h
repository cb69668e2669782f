// What matrix products of our own are made of: cells of four bytes, each an fp32 element, or two bf16 elements
// that follow one another in the dimension that the product sums over.
#pragma once

#include <algorithm>
#include <initializer_list>

#include "lanes.h"

namespace tessera {

#if defined(__AVX512F__)
constexpr int64_t kLanes = 16, kTileRows = 8;
#elif defined(__AVX2__)
constexpr int64_t kLanes = 8, kTileRows = 4;
#else
constexpr int64_t kLanes = 4, kTileRows = 4;
#endif

typedef float Lanes __attribute__((vector_size(kLanes * sizeof(float)), aligned(4), may_alias));

inline int64_t padded(int64_t size, int64_t step) { return (size + step - 1) / step * step; }

/** A matrix whose rows are whole lanes. */
struct Packed {
  float* data;
  int64_t step;

  Packed from(int64_t row, int64_t column) const { return {data + row * step + column, step}; }
  Lanes& lanes(int64_t row, int v) const { return *reinterpret_cast<Lanes*>(data + row * step + v * kLanes); }
};

/** Sums of one small product, [kTileRows, V lanes], which stay in registers. */
template <int V>
struct Sums {
  Lanes of[kTileRows][V];

  /** From zero, or from what c holds. */
  [[gnu::always_inline]] explicit Sums(Packed c, bool zero = false) {
#pragma GCC unroll 8
    for (int r = 0; r < kTileRows; ++r) {
      for (int v = 0; v < V; ++v) of[r][v] = zero ? Lanes{} : c.lanes(r, v);
    }
  }
  [[gnu::always_inline]] void store(Packed c) const {
#pragma GCC unroll 8
    for (int r = 0; r < kTileRows; ++r) {
      for (int v = 0; v < V; ++v) c.lanes(r, v) = of[r][v];
    }
  }
};

/** fp32 elements, each a cell. */
struct Singles {
  static constexpr int64_t kElements = 1;
  static constexpr Type kType = Type::f32;
};

#if defined(__AVX512F__)
/**
 * bf16 elements, two to a cell, and sums in fp32: twice as fast, where processors multiply them. They add the
 * second of a pair first.
 */
struct Pairs {
  static constexpr int64_t kElements = 2;
  static constexpr Type kType = Type::bf16;
};
#endif

/** Calls run(Pairs()) where all of `sides` are bf16 and the processor multiplies that; else run(Singles()). */
template <typename Run>
void inCells(std::initializer_list<View> sides, Run run) {
#if defined(__AVX512F__)
  const bool narrow = std::all_of(sides.begin(), sides.end(), [](const View& side) { return side.type == Type::bf16; });
  if (narrow && kHasBf16) return run(Pairs());
#else
  static_cast<void>(sides);
#endif
  run(Singles());
}

/** Cells that hold `elements` one after the other. */
template <class Of>
int64_t cellsOf(int64_t elements) {
  return (elements + Of::kElements - 1) / Of::kElements;
}

/** Elements [first, first + count) -> cells, zeros up to a whole one. */
template <class Of>
void toCells(const View& from, int64_t first, int64_t count, float* cells) {
  const View to{cells, Of::kType, {}};
  char* end = const_cast<char*>(at(to, count));
  if (from.type == Of::kType) {
    std::memcpy(cells, at(from, first), end - reinterpret_cast<char*>(cells));
  } else {
    for (int64_t i = 0; i < count; i += kStretch) {
      alignas(64) float scratch[kStretch];
      const int64_t some = std::min(kStretch, count - i);
      store(to, i, some, load(from, first + i, some, scratch));
    }
  }
  std::memset(end, 0, reinterpret_cast<char*>(cells + cellsOf<Of>(count)) - end);
}

/** Two rows of bf16 -> cells that hold an element of each. */
inline void interleave(const uint16_t* first, const uint16_t* second, int64_t count, float* cells) {
  auto* to = reinterpret_cast<uint32_t*>(cells);
#pragma omp simd
  for (int64_t i = 0; i < count; ++i) to[i] = first[i] | static_cast<uint32_t>(second[i]) << 16;
}

}  // namespace tessera
