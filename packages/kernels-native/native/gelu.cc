// The Gaussian error linear unit, as GPT-2 computes it (tanh) and exact (erf), and its derivative.
#include "elementwise.h"
#include "fast_math.h"

namespace tessera {
namespace {

constexpr float kA = 0.7978845608f;  // sqrt(2 / pi)
constexpr float kB = 0.044715f;

// (1 + tanh u) / 2 = sigmoid 2u, with u = A (x + B x^3).
struct Tanh {
  static float pass(float x) { return fastSigmoid(x * (x * x * (2 * kA * kB) + 2 * kA)); }
  static float slope(float x, float pass) {
    return pass * (1.0f - pass) * (x * x * (6 * kA * kB) + 2 * kA);
  }
};

// The normal distribution function and its density.
struct Erf {
  static float pass(float x) { return 0.5f * fastErfc(x * -0.70710678f); }
  static float slope(float x, float) { return fastExp(x * x * -0.5f) * 0.3989422804f; }
};

template <typename Form>
void forward(const Call& call) {
  mapElements(call.in[0], call.out[0], [](float x) { return x * Form::pass(x); });
}

template <typename Form>
void backward(const Call& call) {
  mapElements(call.in[0], call.in[1], call.out[0], [](float x, float dy) {
    const float pass = Form::pass(x);
    return dy * (pass + x * Form::slope(x, pass));
  });
}

bool exact(const Call& call) { return call.text("form") == "erf"; }

void gelu(const Call& call) { exact(call) ? forward<Erf>(call) : forward<Tanh>(call); }
void geluGradient(const Call& call) { exact(call) ? backward<Erf>(call) : backward<Tanh>(call); }

const RegisterKernel registerKernel({"TesseraGelu", {"x"}, {"y"}, {"form"}, gelu});
const RegisterKernel registerGradient(
    {"TesseraGeluGradient", {"x", "dy"}, {"dx"}, {"form"}, geluGradient});

}  // namespace
}  // namespace tessera
