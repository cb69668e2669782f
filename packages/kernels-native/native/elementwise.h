// Loops for kernels that compute each output element from the input elements at the same place.
#pragma once

#include "parallel.h"

namespace tessera {

/** y[i] = f(x[i]) */
template <typename F>
void mapElements(const View& x, const View& y, F f) {
  eachStretch(y.size(), [&](int64_t first, int64_t count) {
    alignas(64) float scratchX[kStretch], scratchY[kStretch];
    const float* from = load(x, first, count, scratchX);
    float* to = target(y, first, scratchY);
#pragma omp simd
    for (int64_t i = 0; i < count; ++i) to[i] = f(from[i]);
    store(y, first, count, to);
  });
}

/** y[i] = f(a[i], b[i]) */
template <typename F>
void mapElements(const View& a, const View& b, const View& y, F f) {
  eachStretch(y.size(), [&](int64_t first, int64_t count) {
    alignas(64) float scratchA[kStretch], scratchB[kStretch], scratchY[kStretch];
    const float* left = load(a, first, count, scratchA);
    const float* right = load(b, first, count, scratchB);
    float* to = target(y, first, scratchY);
#pragma omp simd
    for (int64_t i = 0; i < count; ++i) to[i] = f(left[i], right[i]);
    store(y, first, count, to);
  });
}

}  // namespace tessera
