// Layer normalization over the last dimension, and its backward. C: width.
#include <cmath>

#include "sums.h"

namespace tessera {
namespace {

struct Moments {
  float mean, rstd;
};

/** In two passes: the variance is taken about the mean, to avoid cancellation. */
Moments momentsOf(const float* x, int64_t C, float epsilon) {
  float sum = 0, squares = 0;
#pragma omp simd reduction(+ : sum)
  for (int64_t c = 0; c < C; ++c) sum += x[c];
  const float mean = sum / static_cast<float>(C);
#pragma omp simd reduction(+ : squares)
  for (int64_t c = 0; c < C; ++c) squares += (x[c] - mean) * (x[c] - mean);
  return {mean, 1.0f / std::sqrt(squares / static_cast<float>(C) + epsilon)};
}

void layerNorm(const Call& call) {
  const View &x = call.in[0], &y = call.out[0];
  const Floats gain(call.in[1]), bias(call.in[2]);
  const auto epsilon = static_cast<float>(call.number("epsilon"));
  const int64_t C = x.width();
  float *means = call.out[1].floats(), *rstds = call.out[2].floats();
  const float *g = gain.data(), *b = bias.data();
  eachRow(x.rows(), C, [&](int64_t row) {
    float* scratch = threadRows(2 * C);
    const float* from = load(x, row * C, C, scratch);
    float* to = target(y, row * C, scratch + C);
    const auto [mean, rstd] = momentsOf(from, C, epsilon);
#pragma omp simd
    for (int64_t c = 0; c < C; ++c) to[c] = (from[c] - mean) * rstd * g[c] + b[c];
    means[row] = mean;
    rstds[row] = rstd;
    store(y, row * C, C, to);
  });
}

/** One row of dx; adds to dGain and dBias. */
void rowGradient(const float* x, const float* dy, const float* gain, Moments m, float* dx,
                 float* dGain, float* dBias, int64_t C) {
  float sum = 0, along = 0;
#pragma omp simd reduction(+ : sum, along)
  for (int64_t c = 0; c < C; ++c) {
    const float h = (x[c] - m.mean) * m.rstd, g = dy[c] * gain[c];
    sum += g;
    along += g * h;
    dGain[c] += dy[c] * h;
    dBias[c] += dy[c];
  }
  const float meanG = sum / static_cast<float>(C), meanGh = along / static_cast<float>(C);
#pragma omp simd
  for (int64_t c = 0; c < C; ++c) {
    const float h = (x[c] - m.mean) * m.rstd;
    dx[c] = (dy[c] * gain[c] - meanG - h * meanGh) * m.rstd;
  }
}

void layerNormGradient(const Call& call) {
  const View &x = call.in[0], &dy = call.in[4], &dx = call.out[0];
  const Floats gain(call.in[1]), means(call.in[2]), rstds(call.in[3]);
  const int64_t C = x.width(), rows = x.rows();
  const int threads = threadsFor(rows * C);
  const ThreadSums sums(call.pool, threads, 2 * C);
  eachRange(rows, threads, [&](int thread, Range range) {
    float *scratch = threadRows(3 * C), *dGain = sums.of(thread), *dBias = dGain + C;
    for (int64_t row = range.first; row < range.last; ++row) {
      float* to = target(dx, row * C, scratch + 2 * C);
      rowGradient(load(x, row * C, C, scratch), load(dy, row * C, C, scratch + C), gain.data(),
                  {means[row], rstds[row]}, to, dGain, dBias, C);
      store(dx, row * C, C, to);
    }
  });
  sums.into(call.out[1]);
  sums.into(call.out[2], C);
}

const RegisterKernel registerKernel({"TesseraLayerNorm",
                                     {"x", "gain", "bias"},
                                     {"y", "mean", "rstd"},
                                     {"epsilon"},
                                     layerNorm,
                                     {},
                                     {"mean", "rstd"}});
const RegisterKernel registerGradient({"TesseraLayerNormGradient",
                                       {"x", "gain", "mean", "rstd", "dy"},
                                       {"dx", "dGain", "dBias"},
                                       {},
                                       layerNormGradient,
                                       {},
                                       {"dGain", "dBias"}});

}  // namespace
}  // namespace tessera
