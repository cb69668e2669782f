// The sigmoid linear unit, its product with a second half of its input, and their gradients.
#include "elementwise.h"
#include "fast_math.h"
#include "sums.h"

namespace tessera {
namespace {

float siluOf(float x) { return x * fastSigmoid(x); }

float slopeOf(float x) {
  const float s = fastSigmoid(x);
  return s * (1.0f + x * (1.0f - s));
}

void silu(const Call& call) { mapElements(call.in[0], call.out[0], siluOf); }

void siluGradient(const Call& call) {
  mapElements(call.in[0], call.in[1], call.out[0],
              [](float x, float dy) { return dy * slopeOf(x); });
}

/** Rows of x are gate then up, each as wide as a row of y. */
void swiglu(const Call& call) {
  const View &x = call.in[0], &y = call.out[0];
  const int64_t width = y.width();
  eachRow(y.rows(), width, [&](int64_t row) {
    float* scratch = threadRows(3 * width);
    const float *gate = load(x, 2 * row * width, 2 * width, scratch), *up = gate + width;
    float* to = target(y, row * width, scratch + 2 * width);
#pragma omp simd
    for (int64_t i = 0; i < width; ++i) to[i] = siluOf(gate[i]) * up[i];
    store(y, row * width, width, to);
  });
}

void swigluGradient(const Call& call) {
  const View &x = call.in[0], &dy = call.in[1], &dx = call.out[0];
  const int64_t width = dy.width();
  eachRow(dy.rows(), width, [&](int64_t row) {
    float* scratch = threadRows(5 * width);
    const float *gate = load(x, 2 * row * width, 2 * width, scratch), *up = gate + width;
    const float* d = load(dy, row * width, width, scratch + 2 * width);
    float *dGate = target(dx, 2 * row * width, scratch + 3 * width), *dUp = dGate + width;
#pragma omp simd
    for (int64_t i = 0; i < width; ++i) {
      dGate[i] = d[i] * up[i] * slopeOf(gate[i]);
      dUp[i] = d[i] * siluOf(gate[i]);
    }
    store(dx, 2 * row * width, 2 * width, dGate);
  });
}

const RegisterKernel registerSilu({"TesseraSilu", {"x"}, {"y"}, {}, silu});
const RegisterKernel registerSiluGradient(
    {"TesseraSiluGradient", {"x", "dy"}, {"dx"}, {}, siluGradient});
const RegisterKernel registerKernel({"TesseraSwiglu", {"x"}, {"y"}, {}, swiglu});
const RegisterKernel registerGradient(
    {"TesseraSwigluGradient", {"x", "dy"}, {"dx"}, {}, swigluGradient});

}  // namespace
}  // namespace tessera
