// The sigmoid linear unit, its product with a second input, and their gradients.
#include "elementwise.h"
#include "fast_math.h"

namespace tessera {
namespace {

float siluOf(float x) { return x * fastSigmoid(x); }

float slopeOf(float x) {
  const float s = fastSigmoid(x);
  return s * (1.0f + x * (1.0f - s));
}

void silu(const Call& call) { mapElements(call.in[0], call.out[0], siluOf); }

void siluGradient(const Call& call) {
  mapElements(call.in[0], call.in[1], call.out[0], [](float x, float dy) { return dy * slopeOf(x); });
}

void swiglu(const Call& call) {
  mapElements(call.in[0], call.in[1], call.out[0], [](float gate, float up) { return siluOf(gate) * up; });
}

void swigluGradient(const Call& call) {
  const View &gate = call.in[0], &up = call.in[1], &dy = call.in[2], &dGate = call.out[0], &dUp = call.out[1];
  eachStretch(dy.size(), [&](int64_t first, int64_t count) {
    alignas(64) float scratch[5][kStretch];
    const float* g = load(gate, first, count, scratch[0]);
    const float* u = load(up, first, count, scratch[1]);
    const float* d = load(dy, first, count, scratch[2]);
    float *dg = target(dGate, first, scratch[3]), *du = target(dUp, first, scratch[4]);
#pragma omp simd
    for (int64_t i = 0; i < count; ++i) {
      dg[i] = d[i] * u[i] * slopeOf(g[i]);
      du[i] = d[i] * siluOf(g[i]);
    }
    store(dGate, first, count, dg);
    store(dUp, first, count, du);
  });
}

const Define defineSilu({"TesseraSilu", {"x"}, {"y"}, {}, silu});
const Define defineSiluGradient({"TesseraSiluGradient", {"x", "dy"}, {"dx"}, {}, siluGradient});
const Define define({"TesseraSwiglu", {"gate", "up"}, {"y"}, {}, swiglu});
const Define defineGradient({"TesseraSwigluGradient", {"gate", "up", "dy"}, {"dGate", "dUp"}, {}, swigluGradient});

}  // namespace
}  // namespace tessera
