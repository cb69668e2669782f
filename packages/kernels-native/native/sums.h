// Reductions over rows, for gradients of parameters that act on every row. Each thread sums a fixed
// range of rows, and the partial sums are added in the order of the threads.
#pragma once

#include <cstring>
#include <memory>

#include "parallel.h"

namespace tessera {

/** One row of `width` sums per thread, all zero at first. */
class ThreadSums {
 public:
  ThreadSums(Pool& pool, int threads, int64_t width)
      : threads_(threads), width_(width), memory_(pool, threads * width) {
    std::memset(memory_.data(), 0, threads * width * sizeof(float));
  }

  float* of(int thread) const { return memory_.data() + thread * width_; }

  /** out = the sum over threads of elements [first, first + out.size()) of their rows. */
  void into(const View& out, int64_t first = 0) const {
    const int64_t count = out.size();
    for (int thread = 1; thread < threads_; ++thread) {
      float* total = of(0) + first;
      const float* partial = of(thread) + first;
#pragma omp simd
      for (int64_t i = 0; i < count; ++i) total[i] += partial[i];
    }
    store(out, 0, count, of(0) + first);
  }

 private:
  int threads_;
  int64_t width_;
  Scratch<float> memory_;
};

/** Scratch rows of one thread, kept between calls, aligned to cache lines. */
inline float* threadRows(int64_t count) {
  constexpr size_t kLine = 64;
  thread_local std::vector<float> rows;
  const size_t workspace = static_cast<size_t>(count) + kLine / sizeof(float);
  if (rows.size() < workspace) rows.resize(workspace);
  void* first = rows.data();
  size_t bytes = rows.size() * sizeof(float);
  return static_cast<float*>(std::align(kLine, count * sizeof(float), first, bytes));
}

}  // namespace tessera
