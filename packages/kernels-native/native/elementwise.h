// Loops of elementwise kernels.
#pragma once

#include "parallel.h"

namespace tessera {

/** y[i] = f(x[i]) */
template <typename F>
void mapElements(const View& x, const View& y, F f) {
  eachChunk(y.size(), [&](int64_t first, int64_t count) {
    alignas(64) float scratchX[kChunk], scratchY[kChunk];
    float* to = target(y, first, scratchY);
    withElements(x, first, count, scratchX, [&](const auto* from) {
#pragma omp simd
      for (int64_t i = 0; i < count; ++i) to[i] = f(widened(from[i]));
    });
    store(y, first, count, to);
  });
}

/** y[i] = f(a[i], b[i]) */
template <typename F>
void mapElements(const View& a, const View& b, const View& y, F f) {
  eachChunk(y.size(), [&](int64_t first, int64_t count) {
    alignas(64) float scratchA[kChunk], scratchB[kChunk], scratchY[kChunk];
    float* to = target(y, first, scratchY);
    withElements(a, first, count, scratchA, [&](const auto* left) {
      withElements(b, first, count, scratchB, [&](const auto* right) {
#pragma omp simd
        for (int64_t i = 0; i < count; ++i) to[i] = f(widened(left[i]), widened(right[i]));
      });
    });
    store(y, first, count, to);
  });
}

}  // namespace tessera
