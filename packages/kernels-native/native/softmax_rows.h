// Rows of logits and their exponentials, for heads.
#pragma once

#include "fast_math.h"

namespace tessera {

struct RowSum {
  float most, sum;
};

/** exps = e^(logit - most), which may lie over the logits; the most and the sum of exps. */
inline RowSum exponentials(const float* logits, float* exps, int64_t V) {
  float most = logits[0], sum = 0;
#pragma omp simd reduction(max : most)
  for (int64_t v = 0; v < V; ++v) most = logits[v] > most ? logits[v] : most;
#pragma omp simd reduction(+ : sum)
  for (int64_t v = 0; v < V; ++v) {
    const float e = fastExp(logits[v] - most);
    exps[v] = e;
    sum += e;
  }
  return {most, sum};
}

inline void addTo(float* to, const float* from, int64_t count) {
#pragma omp simd
  for (int64_t i = 0; i < count; ++i) to[i] += from[i];
}

}  // namespace tessera
