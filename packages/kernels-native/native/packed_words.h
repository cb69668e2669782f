// Operands of the matrix micro-kernels: 32-bit words, each an fp32 element, or two bf16 elements
// that are consecutive along the summed dimension K (the VNNI layout).
//
//   fp32:  | a[k]          | a[k + 1]      |     one word per element
//   bf16:  | a[k] a[k + 1] | a[k + 2] ...  |     one word per pair
#pragma once

#include <algorithm>
#include <initializer_list>

#include "bf16_products.h"
#include "elements.h"

namespace tessera {

#if defined(__AVX512F__)
constexpr int64_t kLanes = 16, kTileRows = 8;
#elif defined(__AVX2__)
constexpr int64_t kLanes = 8, kTileRows = 4;
#else
constexpr int64_t kLanes = 4, kTileRows = 4;
#endif

typedef float Simd __attribute__((vector_size(kLanes * sizeof(float)), aligned(4), may_alias));

inline int64_t padded(int64_t size, int64_t step) { return (size + step - 1) / step * step; }

/** A matrix whose rows are full vectors. */
struct Packed {
  float* data;
  int64_t step;

  Packed from(int64_t row, int64_t column) const { return {data + row * step + column, step}; }
  Simd& simd(int64_t row, int v) const {
    return *reinterpret_cast<Simd*>(data + row * step + v * kLanes);
  }
};

/** Accumulators of a micro-kernel, [kTileRows, V vectors], which stay in registers. */
template <int V>
struct Sums {
  Simd tile[kTileRows][V];

  /** From zero, or from c. */
  [[gnu::always_inline]] explicit Sums(Packed c, bool zero = false) {
#pragma GCC unroll 8
    for (int r = 0; r < kTileRows; ++r) {
      for (int v = 0; v < V; ++v) tile[r][v] = zero ? Simd{} : c.simd(r, v);
    }
  }
  [[gnu::always_inline]] void store(Packed c) const {
#pragma GCC unroll 8
    for (int r = 0; r < kTileRows; ++r) {
      for (int v = 0; v < V; ++v) c.simd(r, v) = tile[r][v];
    }
  }
};

/** fp32 elements, one per word. */
struct Fp32 {
  static constexpr int64_t kElements = 1;
  static constexpr Type kType = Type::f32;
};

#if defined(__AVX512F__)
/**
 * bf16 elements, two per word, with fp32 accumulation: twice as fast on processors with
 * AVX512-BF16, which add the second element of a pair first.
 */
struct Bf16Pairs {
  static constexpr int64_t kElements = 2;
  static constexpr Type kType = Type::bf16;
};
#endif

/**
 * Calls run(Bf16Pairs()) where all `operands` are bf16 and such products multiply pairs; else
 * run(Fp32()).
 */
template <typename Run>
void dispatchElement(std::initializer_list<View> operands, Run run) {
#if defined(__AVX512F__)
  const bool narrow = std::all_of(operands.begin(), operands.end(),
                                  [](const View& operand) { return operand.type == Type::bf16; });
  if (narrow && usesBf16Pairs()) return run(Bf16Pairs());
#else
  static_cast<void>(operands);
#endif
  run(Fp32());
}

/** Words for `elements` consecutive elements. */
template <class Element>
int64_t wordCount(int64_t elements) {
  return (elements + Element::kElements - 1) / Element::kElements;
}

/** Packs elements [first, first + count) into words; the last is filled with zero. */
template <class Element>
void packWords(const View& from, int64_t first, int64_t count, float* words) {
  const View to{words, Element::kType, {}};
  char* end = const_cast<char*>(at(to, count));
  if (from.type == Element::kType) {
    std::memcpy(words, at(from, first), end - reinterpret_cast<char*>(words));
  } else {
    for (int64_t i = 0; i < count; i += kChunk) {
      alignas(64) float scratch[kChunk];
      const int64_t some = std::min(kChunk, count - i);
      store(to, i, some, load(from, first + i, some, scratch));
    }
  }
  std::memset(end, 0, reinterpret_cast<char*>(words + wordCount<Element>(count)) - end);
}

/** Interleaves two rows of bf16 into words with an element of each. */
inline void interleave(const uint16_t* first, const uint16_t* second, int64_t count, float* words) {
  auto* to = reinterpret_cast<uint32_t*>(words);
#pragma omp simd
  for (int64_t i = 0; i < count; ++i) to[i] = first[i] | static_cast<uint32_t>(second[i]) << 16;
}

}  // namespace tessera
