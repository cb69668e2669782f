// Softmax over rows of logits, for LM heads.
#pragma once

#include "fast_math.h"

namespace tessera {

struct RowSum {
  float max, sum;
};

/**
 * exps = e^(logit - row max), which may overwrite the logits. Returns the row max and the sum of
 * exps.
 */
inline RowSum exponentials(const float* logits, float* exps, int64_t V) {
  float rowMax = logits[0], sum = 0;
#pragma omp simd reduction(max : rowMax)
  for (int64_t v = 0; v < V; ++v) rowMax = logits[v] > rowMax ? logits[v] : rowMax;
#pragma omp simd reduction(+ : sum)
  for (int64_t v = 0; v < V; ++v) {
    const float e = fastExp(logits[v] - rowMax);
    exps[v] = e;
    sum += e;
  }
  return {rowMax, sum};
}

inline void addTo(float* to, const float* from, int64_t count) {
#pragma omp simd
  for (int64_t i = 0; i < count; ++i) to[i] += from[i];
}

}  // namespace tessera
