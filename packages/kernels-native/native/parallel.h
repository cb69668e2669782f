// Static work sharing among threads, so that results do not depend on timing.
#pragma once

#include <omp.h>

#include <algorithm>
#include <cstdint>

#include "elements.h"

namespace tessera {

/** Below this many elements, waking threads costs more than it saves. */
constexpr int64_t kMinParallelSize = 1 << 14;

/** Calls body(first, count) for chunks that cover [0, size), on all threads. */
template <typename Body>
void eachChunk(int64_t size, Body body) {
  const int64_t chunks = (size + kChunk - 1) / kChunk;
#pragma omp parallel for schedule(static) if (size >= kMinParallelSize)
  for (int64_t i = 0; i < chunks; ++i) {
    const int64_t first = i * kChunk;
    body(first, std::min(kChunk, size - first));
  }
}

/** Calls body(row) for each of `rows` rows of `width` elements, on all threads. */
template <typename Body>
void eachRow(int64_t rows, int64_t width, Body body) {
#pragma omp parallel for schedule(static) if (rows * width >= kMinParallelSize)
  for (int64_t row = 0; row < rows; ++row) body(row);
}

/** [first, last) */
struct Range {
  int64_t first, last;
  Range(int64_t first, int64_t last) : first(first), last(last) {}
  /** The share of thread `index` of `count` in [0, size), as even as integers allow. */
  Range(int64_t size, int64_t index, int64_t count)
      : Range(size * index / count, size * (index + 1) / count) {}

  int64_t size() const { return last - first; }
  /** The elements of [0, size) in this range of units of `unit` elements. */
  Range of(int64_t unit, int64_t size) const {
    return {std::min(first * unit, size), std::min(last * unit, size)};
  }
};

/** Calls body(thread, range) on at most `threads` threads, whose ranges cover [0, size). */
template <typename Body>
void eachRange(int64_t size, int threads, Body body) {
#pragma omp parallel for schedule(static, 1) num_threads(threads) if (threads > 1)
  for (int thread = 0; thread < threads; ++thread) body(thread, Range(size, thread, threads));
}

/** How many threads to use for `work` elements. */
inline int threadsFor(int64_t work) { return work >= kMinParallelSize ? omp_get_max_threads() : 1; }

}  // namespace tessera
