// A caching allocator for tensors and scratch memory: aligned blocks, kept for reuse, so that a
// training step in its steady state asks the system for nothing. Small blocks are in free lists by
// size class, large ones in an arena. One pool per JavaScript thread: no locks.
#pragma once

#include <cstddef>
#include <map>
#include <vector>

#include "arena.h"

namespace tessera {

struct Block {
  void* data = nullptr;
  /** The requested size, rounded up. */
  size_t bytes = 0;
};

struct Figures {
  size_t allocated = 0;  // bytes in use
  size_t peak = 0;       // maximum bytes in use since resetPeak
  size_t pooled = 0;     // bytes kept for reuse
};

class Pool {
 public:
  Pool();
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;
  ~Pool();

  /**
   * At least `bytes` bytes, aligned to 64, with undefined contents. Throws std::runtime_error if
   * out of memory.
   */
  Block take(size_t bytes);
  void give(Block block);
  /** Returns every pooled block to the system. */
  void trim();
  Figures figures() const;
  /** Counts the peak from what is allocated now. */
  void resetPeak() { peak_ = allocated_; }

 private:
  /** `bytes` of memory from a free block or the system; null where there is none. */
  void* find(size_t bytes);

  /** Small blocks by size class. */
  std::map<size_t, std::vector<void*>> free_;
  Arena arena_;
  size_t allocated_ = 0, peak_ = 0, freeSmall_ = 0;
};

/** Scratch memory that returns to its pool at the end of the scope. */
template <typename T>
class Scratch {
 public:
  Scratch(Pool& pool, size_t count) : pool_(pool), block_(pool.take(count * sizeof(T))) {}
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  ~Scratch() { pool_.give(block_); }
  T* data() const { return static_cast<T*>(block_.data); }

 private:
  Pool& pool_;
  Block block_;
};

}  // namespace tessera
