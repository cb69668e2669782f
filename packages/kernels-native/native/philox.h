// Philox4x32-10 (Salmon et al., SC 2011), vectorized over blocks. Must give the same words for the
// same (key, index) as philox.ts and tensor_slice.ts of the random package.
#pragma once

#include <cstdint>
#include <vector>

#include "kernel.h"

namespace tessera {

struct PhiloxKey {
  uint32_t low, high;
};

/** Blocks computed at once: sixteen lanes of four words. */
constexpr int64_t kBlocks = 16;

/**
 * Words of blocks [block, block + kBlocks): element i of the stream is word i % 4 of block i / 4.
 */
inline void philoxBlocks(PhiloxKey key, uint64_t block, uint32_t* words) {
#pragma omp simd
  for (int64_t lane = 0; lane < kBlocks; ++lane) {
    const uint64_t index = block + static_cast<uint64_t>(lane);
    uint32_t x0 = static_cast<uint32_t>(index), x1 = static_cast<uint32_t>(index >> 32), x2 = 0,
             x3 = 0;
    uint32_t k0 = key.low, k1 = key.high;
    for (int round = 0; round < 10; ++round) {
      const uint64_t p0 = uint64_t{0xd2511f53u} * x0, p1 = uint64_t{0xcd9e8d57u} * x2;
      x0 = static_cast<uint32_t>(p1 >> 32) ^ x1 ^ k0;
      x1 = static_cast<uint32_t>(p1);
      x2 = static_cast<uint32_t>(p0 >> 32) ^ x3 ^ k1;
      x3 = static_cast<uint32_t>(p0);
      k0 += 0x9e3779b9u;
      k1 += 0xbb67ae85u;
    }
    words[4 * lane] = x0;
    words[4 * lane + 1] = x1;
    words[4 * lane + 2] = x2;
    words[4 * lane + 3] = x3;
  }
}

/** Capacity of the workspace of `philoxWords` for `count` elements. */
constexpr int64_t wordsCapacity(int64_t count) {
  return (count + 3) / (4 * kBlocks) * (4 * kBlocks) + 8 * kBlocks;
}

/**
 * Words of elements [first, first + count). `workspace` has capacity wordsCapacity(count); the
 * result is written there.
 */
inline const uint32_t* philoxWords(PhiloxKey key, uint64_t first, int64_t count,
                                   uint32_t* workspace) {
  const uint64_t block = first / 4;
  const auto lane = static_cast<int64_t>(first % 4);
  for (int64_t done = 0; done < lane + count; done += 4 * kBlocks) {
    philoxBlocks(key, block + static_cast<uint64_t>(done) / 4, workspace + done);
  }
  return workspace + lane;
}

/** A slice of a global random tensor, and the key of its stream. */
class RandomSlice {
 public:
  explicit RandomSlice(const Call& call);

  PhiloxKey key;
  /** The slice is `count` contiguous runs of `length` elements. */
  int64_t count = 1, length = 1;
  /** Index in the global tensor of the first element of run `n`. */
  uint64_t first(int64_t n) const;
  /** Shape of the global tensor, and start and size of the slice, per dimension. */
  std::vector<int64_t> shape, start, size;

 private:
  size_t inner_ = 0;
};

/**
 * The smallest word whose number in (0, 1), rounded to fp32 as in JavaScript, is not below `rate`.
 */
uint64_t wordBound(double rate);

}  // namespace tessera
