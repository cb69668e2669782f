// Root mean square normalization over the last dimension, and its backward. C: width.
#include <cmath>

#include "sums.h"

namespace tessera {
namespace {

void rmsNorm(const Call& call) {
  const View &x = call.in[0], &y = call.out[0];
  const Floats gain(call.in[1]);
  const auto epsilon = static_cast<float>(call.number("epsilon"));
  const int64_t C = x.width();
  float* rstds = call.out[1].floats();
  const float* g = gain.data();
  eachRow(x.rows(), C, [&](int64_t row) {
    float* scratch = threadRows(2 * C);
    const float* from = load(x, row * C, C, scratch);
    float* to = target(y, row * C, scratch + C);
    float squares = 0;
#pragma omp simd reduction(+ : squares)
    for (int64_t c = 0; c < C; ++c) squares += from[c] * from[c];
    const float rstd = 1.0f / std::sqrt(squares / static_cast<float>(C) + epsilon);
#pragma omp simd
    for (int64_t c = 0; c < C; ++c) to[c] = from[c] * rstd * g[c];
    rstds[row] = rstd;
    store(y, row * C, C, to);
  });
}

/** One row of dx; adds to dGain. */
void rowGradient(const float* x, const float* dy, const float* gain, float rstd, float* dx,
                 float* dGain, int64_t C) {
  float along = 0;
#pragma omp simd reduction(+ : along)
  for (int64_t c = 0; c < C; ++c) {
    const float h = x[c] * rstd;
    along += dy[c] * gain[c] * h;
    dGain[c] += dy[c] * h;
  }
  const float meanGh = along / static_cast<float>(C);
#pragma omp simd
  for (int64_t c = 0; c < C; ++c) dx[c] = (dy[c] * gain[c] - x[c] * rstd * meanGh) * rstd;
}

void rmsNormGradient(const Call& call) {
  const View &x = call.in[0], &dy = call.in[3], &dx = call.out[0];
  const Floats gain(call.in[1]), rstds(call.in[2]);
  const int64_t C = x.width(), rows = x.rows();
  const int threads = threadsFor(rows * C);
  const ThreadSums sums(call.pool, threads, C);
  eachRange(rows, threads, [&](int thread, Range range) {
    float* scratch = threadRows(3 * C);
    for (int64_t row = range.first; row < range.last; ++row) {
      float* to = target(dx, row * C, scratch + 2 * C);
      rowGradient(load(x, row * C, C, scratch), load(dy, row * C, C, scratch + C), gain.data(),
                  rstds[row], to, sums.of(thread), C);
      store(dx, row * C, C, to);
    }
  });
  sums.into(call.out[1]);
}

const RegisterKernel registerKernel(
    {"TesseraRmsNorm", {"x", "gain"}, {"y", "rstd"}, {"epsilon"}, rmsNorm, {}, {"rstd"}});
const RegisterKernel registerGradient({"TesseraRmsNormGradient",
                                       {"x", "gain", "rstd", "dy"},
                                       {"dx", "dGain"},
                                       {},
                                       rmsNormGradient,
                                       {},
                                       {"dGain"}});

}  // namespace
}  // namespace tessera
