// How kernels share work among threads: in fixed parts, so that results do not depend on timing.
#pragma once

#include <omp.h>

#include <algorithm>
#include <cstdint>

#include "lanes.h"

namespace tessera {

/** Below this many elements, waking threads costs more than they save. */
constexpr int64_t kWorthThreads = 1 << 14;

/** Calls body(first, count) for stretches that cover [0, size), on all threads. */
template <typename Body>
void eachStretch(int64_t size, Body body) {
  const int64_t stretches = (size + kStretch - 1) / kStretch;
#pragma omp parallel for schedule(static) if (size >= kWorthThreads)
  for (int64_t i = 0; i < stretches; ++i) {
    const int64_t first = i * kStretch;
    body(first, std::min(kStretch, size - first));
  }
}

/** Calls body(row) for each of `rows` rows of `width` elements, on all threads. */
template <typename Body>
void eachRow(int64_t rows, int64_t width, Body body) {
#pragma omp parallel for schedule(static) if (rows * width >= kWorthThreads)
  for (int64_t row = 0; row < rows; ++row) body(row);
}

/** [first, last) */
struct Part {
  int64_t first, last;
  Part(int64_t first, int64_t last) : first(first), last(last) {}
  /** What of [0, size) is thread `index` of `count`'s: as even as whole numbers allow. */
  Part(int64_t size, int64_t index, int64_t count) : Part(size * index / count, size * (index + 1) / count) {}

  int64_t size() const { return last - first; }
  /** What these units of `unit` elements hold of [0, size). */
  Part of(int64_t unit, int64_t size) const { return {std::min(first * unit, size), std::min(last * unit, size)}; }
};

/** Calls body(thread, part) on each of at most `threads` threads, which together cover [0, size). */
template <typename Body>
void eachPart(int64_t size, int threads, Body body) {
#pragma omp parallel for schedule(static, 1) num_threads(threads) if (threads > 1)
  for (int thread = 0; thread < threads; ++thread) body(thread, Part(size, thread, threads));
}

/** How many threads `work` elements are worth. */
inline int threadsFor(int64_t work) { return work >= kWorthThreads ? omp_get_max_threads() : 1; }

}  // namespace tessera
