// Loads and stores of elements as fp32, whatever their storage. Kernels compute on chunks of fp32:
// in the tensor itself where it is fp32, else in scratch memory.
#pragma once

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

#include "kernel.h"

namespace tessera {

/** Maximum elements of a chunk. */
constexpr int64_t kChunk = 1024;

inline float fromBf16(uint16_t bits) {
  return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16);
}

/** Rounds to nearest, ties to even. NaN stays NaN. */
inline uint16_t toBf16(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  const uint32_t rounded = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
  const uint32_t nan = (bits >> 16) | 0x40;
  return static_cast<uint16_t>((bits & 0x7fffffff) > 0x7f800000 ? nan : rounded);
}

inline void fromBf16(const uint16_t* from, float* to, int64_t count) {
#pragma omp simd
  for (int64_t i = 0; i < count; ++i) to[i] = fromBf16(from[i]);
}

#if defined(__AVX512F__)

inline const bool kHasBf16 = __builtin_cpu_supports("avx512bf16");

/** With AVX512-BF16, which flushes subnormal numbers to zero. */
[[gnu::target("avx512bf16")]] inline void toBf16InHardware(const float* from, uint16_t* to,
                                                           int64_t count) {
  for (int64_t i = 0; i < count; i += 16) {
    const __mmask16 there = count - i < 16 ? (1 << (count - i)) - 1 : 0xffff;
    const __m256bh narrow = _mm512_cvtneps_pbh(_mm512_maskz_loadu_ps(there, from + i));
    _mm256_mask_storeu_epi16(to + i, there, reinterpret_cast<__m256i>(narrow));
  }
}

#endif

inline void toBf16(const float* from, uint16_t* to, int64_t count) {
#if defined(__AVX512F__)
  if (kHasBf16) return toBf16InHardware(from, to, count);
#endif
#pragma omp simd
  for (int64_t i = 0; i < count; ++i) to[i] = toBf16(from[i]);
}

#if defined(__F16C__)
inline float fromF16(uint16_t bits) { return _cvtsh_ss(bits); }
inline uint16_t toF16(float value) { return _cvtss_sh(value, _MM_FROUND_TO_NEAREST_INT); }
#else
inline float fromF16(uint16_t bits) { return static_cast<float>(std::bit_cast<_Float16>(bits)); }
inline uint16_t toF16(float value) { return std::bit_cast<uint16_t>(static_cast<_Float16>(value)); }
#endif

inline void fromF16(const uint16_t* from, float* to, int64_t count) {
  int64_t i = 0;
#if defined(__F16C__)
  for (; i + 8 <= count; i += 8) {
    const __m128i halves = _mm_loadu_si128(reinterpret_cast<const __m128i*>(from + i));
    _mm256_storeu_ps(to + i, _mm256_cvtph_ps(halves));
  }
#endif
  for (; i < count; ++i) to[i] = fromF16(from[i]);
}

inline void toF16(const float* from, uint16_t* to, int64_t count) {
  int64_t i = 0;
#if defined(__F16C__)
  for (; i + 8 <= count; i += 8) {
    const __m128i halves = _mm256_cvtps_ph(_mm256_loadu_ps(from + i), _MM_FROUND_TO_NEAREST_INT);
    _mm_storeu_si128(reinterpret_cast<__m128i*>(to + i), halves);
  }
#endif
  for (; i < count; ++i) to[i] = toF16(from[i]);
}

inline const char* at(const View& view, int64_t first) {
  return static_cast<const char*>(view.data) + first * bytesPer(view.type);
}

/** The scales of the blocks of a tensor in int8. */
inline float* scalesOf(const View& view) {
  char* end = static_cast<char*>(view.data) + int8Blocks(view.size()) * kInt8Block;
  return reinterpret_cast<float*>(end);
}

inline void fromInt8(const View& view, int64_t first, int64_t count, float* to) {
  const auto* from = static_cast<const int8_t*>(view.data);
  const float* scales = scalesOf(view);
  for (int64_t i = 0; i < count;) {
    const int64_t block = (first + i) / kInt8Block;
    const int64_t end = std::min((block + 1) * kInt8Block - first, count);
#pragma omp simd
    for (int64_t j = i; j < end; ++j) to[j] = scales[block] * static_cast<float>(from[first + j]);
    i = end;
  }
}

/**
 * Rounds whole blocks to 127 steps of their greatest magnitude each way. A block with an element
 * that is not finite becomes NaN.
 */
inline void toInt8(const float* from, const View& view, int64_t first, int64_t count) {
  auto* to = static_cast<int8_t*>(view.data) + first;
  for (int64_t i = 0; i < count; i += kInt8Block) {
    const int64_t end = std::min(i + kInt8Block, count);
    float largest = 0, zero = 0;
    for (int64_t j = i; j < end; ++j) {
      largest = std::max(largest, std::abs(from[j]));
      zero += 0 * from[j];
    }
    const float scale = largest * (1.0f / 127) + zero;
    scalesOf(view)[(first + i) / kInt8Block] = scale;
    // A scale of 0 belongs to zeros, which any other number leaves zeros.
    const float step = std::max(scale, 0x1p-126f);
    for (int64_t j = i; j < end; ++j)
      to[j] = std::isfinite(scale) ? static_cast<int8_t>(std::lrint(from[j] / step)) : 0;
  }
}

/** Elements [first, first + count) as floats: in place where they are, else in `scratch`. */
inline const float* load(const View& view, int64_t first, int64_t count, float* scratch) {
  const char* from = at(view, first);
  switch (view.type) {
    case Type::f32:
      return reinterpret_cast<const float*>(from);
    case Type::bf16:
      fromBf16(reinterpret_cast<const uint16_t*>(from), scratch, count);
      return scratch;
    case Type::f16:
      fromF16(reinterpret_cast<const uint16_t*>(from), scratch, count);
      return scratch;
    case Type::i32:
      for (int64_t i = 0; i < count; ++i) {
        scratch[i] = static_cast<float>(reinterpret_cast<const int32_t*>(from)[i]);
      }
      return scratch;
    case Type::u8:
      for (int64_t i = 0; i < count; ++i) {
        scratch[i] = static_cast<float>(reinterpret_cast<const uint8_t*>(from)[i]);
      }
      return scratch;
    case Type::i8:
      fromInt8(view, first, count, scratch);
      return scratch;
  }
  return scratch;
}

inline float widened(float element) { return element; }
inline float widened(uint16_t bits) { return fromBf16(bits); }
inline float widened(int8_t element) { return static_cast<float>(element); }

/**
 * Calls use(elements) with the elements from `first` on, which `widened` converts to float: bf16 in
 * place, so that the loop converts on the fly, others as `load` returns them.
 */
template <typename Use>
void withElements(const View& view, int64_t first, int64_t count, float* scratch, Use use) {
  if (view.type == Type::bf16) return use(reinterpret_cast<const uint16_t*>(at(view, first)));
  use(load(view, first, count, scratch));
}

/**
 * Where to compute the elements from `first` on: in place, or in `scratch`. `store` then writes
 * them.
 */
inline float* target(const View& view, int64_t first, float* scratch) {
  return view.type == Type::f32 ? static_cast<float*>(view.data) + first : scratch;
}

/** Writes elements computed at `from` to the tensor, unless they are there already. */
inline void store(const View& view, int64_t first, int64_t count, const float* from) {
  char* to = const_cast<char*>(at(view, first));
  switch (view.type) {
    case Type::f32:
      if (reinterpret_cast<const float*>(to) != from) std::memcpy(to, from, count * sizeof(float));
      return;
    case Type::bf16:
      return toBf16(from, reinterpret_cast<uint16_t*>(to), count);
    case Type::f16:
      return toF16(from, reinterpret_cast<uint16_t*>(to), count);
    case Type::i8:
      return toInt8(from, view, first, count);
    default:
      throw std::invalid_argument("a kernel that computes floats cannot store integers");
  }
}

/** A small tensor (a bias, a gain, a scalar) as floats. */
class Floats {
 public:
  explicit Floats(const View& view) {
    copy_.resize(view.type == Type::f32 ? 0 : view.size());
    data_ = load(view, 0, view.size(), copy_.data());
  }
  const float* data() const { return data_; }
  float operator[](int64_t i) const { return data_[i]; }

 private:
  std::vector<float> copy_;
  const float* data_;
};

}  // namespace tessera
