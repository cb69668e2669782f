// Philox4x32-10 (Salmon et al., SC 2011), many blocks side by side: the twin of the random package's
// philox.ts and window.ts, and bound to give the same words for the same (key, index).
#pragma once

#include <cstdint>
#include <vector>

#include "kernel.h"

namespace tessera {

struct PhiloxKey {
  uint32_t low, high;
};

/** Blocks that one round of work makes: sixteen lanes of four words. */
constexpr int64_t kBlocks = 16;

/** Words of blocks [block, block + kBlocks): element i of the stream is word i % 4 of block i / 4. */
inline void philoxBlocks(PhiloxKey key, uint64_t block, uint32_t* words) {
#pragma omp simd
  for (int64_t lane = 0; lane < kBlocks; ++lane) {
    const uint64_t index = block + static_cast<uint64_t>(lane);
    uint32_t x0 = static_cast<uint32_t>(index), x1 = static_cast<uint32_t>(index >> 32), x2 = 0, x3 = 0;
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

/** Memory for `philoxWords` of `count` elements. */
constexpr int64_t wordsRoom(int64_t count) { return (count + 3) / (4 * kBlocks) * (4 * kBlocks) + 8 * kBlocks; }

/** Words of elements [first, first + count); `room` holds wordsRoom(count) and the result lies in it. */
inline const uint32_t* philoxWords(PhiloxKey key, uint64_t first, int64_t count, uint32_t* room) {
  const uint64_t block = first / 4;
  const auto lane = static_cast<int64_t>(first % 4);
  for (int64_t made = 0; made < lane + count; made += 4 * kBlocks) {
    philoxBlocks(key, block + static_cast<uint64_t>(made) / 4, room + made);
  }
  return room + lane;
}

/** The draw attributes of a contract: a window of a global tensor, and the key of its stream. */
class Draw {
 public:
  explicit Draw(const Call& call);

  PhiloxKey key;
  /** The window is `count` runs of `length` elements that lie side by side. */
  int64_t count = 1, length = 1;
  /** Index in the whole tensor of the first element of run `n`. */
  uint64_t first(int64_t n) const;
  /** Extents of the whole, and where the window starts, per dimension. */
  std::vector<int64_t> whole, start, size;

 private:
  size_t inner_ = 0;
};

/** The least word whose number in (0, 1), rounded to fp32 as JavaScript does, is not below `rate`. */
uint64_t wordBound(double rate);

}  // namespace tessera
