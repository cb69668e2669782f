// See reduce.h. Blocks stay in the first-level cache while the ranks' elements are added to them.
#include "reduce.h"

#include <algorithm>
#include <bit>
#include <cstring>

namespace tessera {
namespace {

constexpr size_t kBlock = 1024;

#define TESSERA_INLINE inline __attribute__((always_inline))

struct Bf16 {
  uint16_t bits;
  TESSERA_INLINE operator float() const { return std::bit_cast<float>(uint32_t{bits} << 16); }
  TESSERA_INLINE static Bf16 of(float value) {
    const auto bits = std::bit_cast<uint32_t>(value);
    const uint32_t rounded = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;  // half to even
    const uint32_t quiet = (bits >> 16) | 0x40;                           // rounding may lose a NaN
    return {static_cast<uint16_t>((bits & 0x7fffffff) > 0x7f800000 ? quiet : rounded)};
  }
};

struct Fp16 {
  _Float16 value;
  TESSERA_INLINE operator float() const { return static_cast<float>(value); }
  TESSERA_INLINE static Fp16 of(float value) { return {static_cast<_Float16>(value)}; }
};

struct Fp32 {
  float value;
  TESSERA_INLINE operator float() const { return value; }
  TESSERA_INLINE static Fp32 of(float value) { return {value}; }
};

/** NaN wins, as it does in a sum. */
template <typename T>
TESSERA_INLINE T larger(T a, T b) {
  return a > b || a != a ? a : b;
}
template <typename T>
TESSERA_INLINE T smaller(T a, T b) {
  return a < b || a != a ? a : b;
}

/** Integers wrap around, as JavaScript's typed arrays do. */
template <typename T>
TESSERA_INLINE T plus(T a, T b) {
  if constexpr (std::is_integral_v<T>) {
    return static_cast<T>(static_cast<uint32_t>(a) + static_cast<uint32_t>(b));
  } else {
    return a + b;
  }
}

template <typename A, typename E>
TESSERA_INLINE void fold(Op op, A* into, const E* from, size_t size) {
  if (op == Op::max) {
    for (size_t i = 0; i < size; ++i) into[i] = larger<A>(into[i], from[i]);
  } else if (op == Op::min) {
    for (size_t i = 0; i < size; ++i) into[i] = smaller<A>(into[i], from[i]);
  } else {
    for (size_t i = 0; i < size; ++i) into[i] = plus<A>(into[i], from[i]);
  }
}

/** E: an element as it is stored. A: what it is added in. */
template <typename E, typename A, typename Store>
TESSERA_INLINE void blocks(Op op, E* to, const void* const* from, size_t count, size_t size,
                           Store store) {
  alignas(64) A total[kBlock];
  for (size_t first = 0; first < size; first += kBlock) {
    const size_t width = std::min(kBlock, size - first);
    const E* own = static_cast<const E*>(from[0]) + first;
    for (size_t i = 0; i < width; ++i) total[i] = own[i];
    for (size_t rank = 1; rank < count; ++rank) {
      fold<A, E>(op, total, static_cast<const E*>(from[rank]) + first, width);
    }
    if (op == Op::mean) {
      for (size_t i = 0; i < width; ++i) total[i] /= static_cast<A>(count);
    }
    for (size_t i = 0; i < width; ++i) to[first + i] = store(total[i]);
  }
}

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#define TESSERA_CLONES __attribute__((target_clones("default", "arch=x86-64-v3", "arch=x86-64-v4")))
#else
#define TESSERA_CLONES
#endif

template <typename E>
TESSERA_INLINE void floats(Op op, void* to, const void* const* from, size_t count, size_t size) {
  blocks<E, float>(op, static_cast<E*>(to), from, count, size,
                   [](float value) { return E::of(value); });
}

TESSERA_CLONES void fp32(Op op, void* to, const void* const* from, size_t count, size_t size) {
  floats<Fp32>(op, to, from, count, size);
}
TESSERA_CLONES void bf16(Op op, void* to, const void* const* from, size_t count, size_t size) {
  floats<Bf16>(op, to, from, count, size);
}
TESSERA_CLONES void fp16(Op op, void* to, const void* const* from, size_t count, size_t size) {
  floats<Fp16>(op, to, from, count, size);
}

template <typename E>
void integers(Op op, void* to, const void* const* from, size_t count, size_t size) {
  blocks<E, E>(op, static_cast<E*>(to), from, count, size, [](E value) { return value; });
}

}  // namespace

void reduce(Storage storage, Op op, void* to, const void* const* from, size_t count, size_t size) {
  switch (storage) {
    case Storage::fp32:
      return fp32(op, to, from, count, size);
    case Storage::bf16:
      return bf16(op, to, from, count, size);
    case Storage::fp16:
      return fp16(op, to, from, count, size);
    case Storage::int32:
      return integers<int32_t>(op, to, from, count, size);
    case Storage::u8:
      return integers<uint8_t>(op, to, from, count, size);
  }
}

}  // namespace tessera
