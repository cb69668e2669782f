// One optimizer step for one parameter, in place.
#include <cmath>

#include "parallel.h"

namespace tessera {
namespace {

/** Adam's numbers with everything folded in that is the same for all elements. */
struct Adam {
  float scale, beta1, fresh1, beta2, fresh2, epsilon, correction, rate, kept, l2;

  explicit Adam(const Call& call) {
    const double step = call.number("step"), decay = call.number("weightDecay");
    const double b1 = call.number("beta1"), b2 = call.number("beta2");
    const double learningRate = call.number("learningRate");
    const bool decoupled = call.flag("decoupled");
    scale = Floats(call.in[4])[0];
    beta1 = static_cast<float>(b1);
    fresh1 = static_cast<float>(1 - b1);
    beta2 = static_cast<float>(b2);
    fresh2 = static_cast<float>(1 - b2);
    epsilon = static_cast<float>(call.number("epsilon"));
    correction = static_cast<float>(1 / std::sqrt(1 - std::pow(b2, step)));
    rate = static_cast<float>(learningRate / (1 - std::pow(b1, step)));
    kept = decoupled ? static_cast<float>(1 - learningRate * decay) : 1.0f;
    l2 = decoupled ? 0.0f : static_cast<float>(decay);
  }

  void step(float* param, const float* gradient, float* mean, float* square, int64_t count) const {
    // Locals, because stores to float arrays might otherwise change the fields.
    const Adam a = *this;
#pragma omp simd
    for (int64_t i = 0; i < count; ++i) {
      const float g = gradient[i] * a.scale + param[i] * a.l2;
      const float m = mean[i] * a.beta1 + g * a.fresh1;
      const float v = square[i] * a.beta2 + g * g * a.fresh2;
      mean[i] = m;
      square[i] = v;
      param[i] = param[i] * a.kept - a.rate * m / (std::sqrt(v) * a.correction + a.epsilon);
    }
  }
};

/** A stretch of a tensor that is read, changed and written back. */
struct Edited {
  const View& view;
  int64_t first, count;
  alignas(64) float scratch[kStretch];
  float* data;

  Edited(const View& view, int64_t first, int64_t count)
      : view(view), first(first), count(count), data(const_cast<float*>(load(view, first, count, scratch))) {}
  ~Edited() { store(view, first, count, data); }
};

/** A scale that is no finite number says that the gradients are not: the step is left out. */
bool isSkipped(float scale) { return !std::isfinite(scale); }

void adamStep(const Call& call) {
  const Adam adam(call);
  if (isSkipped(adam.scale)) return;
  const View& gradient = call.in[1];
  eachStretch(gradient.size(), [&](int64_t first, int64_t count) {
    alignas(64) float scratch[kStretch];
    const Edited param(call.out[0], first, count), mean(call.out[1], first, count),
        square(call.out[2], first, count);
    adam.step(param.data, load(gradient, first, count, scratch), mean.data, square.data, count);
  });
}

void sgdStep(const Call& call) {
  const View& gradient = call.in[1];
  const float scale = Floats(call.in[3])[0];
  if (isSkipped(scale)) return;
  const auto rate = static_cast<float>(call.number("learningRate"));
  const auto momentum = static_cast<float>(call.number("momentum"));
  const auto decay = static_cast<float>(call.number("weightDecay"));
  eachStretch(gradient.size(), [&](int64_t first, int64_t count) {
    alignas(64) float scratch[kStretch];
    const Edited param(call.out[0], first, count), velocity(call.out[1], first, count);
    const float* g = load(gradient, first, count, scratch);
    float *p = param.data, *v = velocity.data;
#pragma omp simd
    for (int64_t i = 0; i < count; ++i) {
      v[i] = v[i] * momentum + (g[i] * scale + p[i] * decay);
      p[i] -= v[i] * rate;
    }
  });
}

const Define defineAdam({"TesseraAdamStep",
                         {"param", "gradient", "mean", "square", "scale"},
                         {"param", "mean", "square"},
                         {"learningRate", "beta1", "beta2", "epsilon", "weightDecay", "decoupled", "step"},
                         adamStep,
                         {{"param", "param"}, {"mean", "mean"}, {"square", "square"}}});
const Define defineSgd({"TesseraSgdStep",
                        {"param", "gradient", "velocity", "scale"},
                        {"param", "velocity"},
                        {"learningRate", "momentum", "weightDecay"},
                        sgdStep,
                        {{"param", "param"}, {"velocity", "velocity"}}});

}  // namespace
}  // namespace tessera
