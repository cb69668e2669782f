// Memory for tensors and scratch: aligned blocks, kept for reuse by size class, so that a training
// step in its steady state asks the system for nothing. One pool per JavaScript thread: no locks.
#pragma once

#include <cstddef>
#include <map>
#include <vector>

namespace tessera {

struct Block {
  void* data = nullptr;
  /** Bytes of the size class, which is what the pool owns and counts. */
  size_t bytes = 0;
};

struct Figures {
  size_t allocated = 0;  // bytes lent out now
  size_t peak = 0;       // the most bytes ever lent out
  size_t pooled = 0;     // bytes kept for reuse
};

class Pool {
 public:
  Pool() = default;
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;
  ~Pool();

  /** At least `bytes` bytes at an address divisible by 64, with undefined contents. Throws OutOfMemory. */
  Block take(size_t bytes);
  void give(Block block);
  /** Returns every pooled block to the system. */
  void trim();
  const Figures& figures() const { return figures_; }

 private:
  /** A pooled block of at least `bytes`, or one without data. */
  Block reuse(size_t bytes);
  Block fresh(size_t bytes, size_t asked);

  std::map<size_t, std::vector<void*>> free_;
  Figures figures_;
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
