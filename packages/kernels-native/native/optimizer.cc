// One optimizer step for all parameters, in place.
#include <cmath>

#include "parallel.h"

namespace tessera {
namespace {

/** Adam's constants for one parameter: everything that is the same for all of its elements. */
struct Adam {
  float scale, beta1, fresh1, beta2, fresh2, epsilon, correction, rate, kept, l2;

  Adam(const Call& call, float gradientScale, double decay) : scale(gradientScale) {
    const double step = call.number("step");
    const double b1 = call.number("beta1"), b2 = call.number("beta2");
    const double learningRate = call.number("learningRate");
    const bool decoupled = call.flag("decoupled");
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

/** A chunk of a tensor as floats, written back at the end of the scope. */
struct ScopedWrite {
  const View& view;
  int64_t first, count;
  alignas(64) float scratch[kChunk];
  float* data;

  ScopedWrite(const View& view, int64_t first, int64_t count)
      : view(view),
        first(first),
        count(count),
        data(const_cast<float*>(load(view, first, count, scratch))) {}
  ~ScopedWrite() { store(view, first, count, data); }
};

/**
 * The factor of all gradients. Not finite where a gradient overflowed: the step is then skipped.
 */
float gradientScale(const Call& call) { return Floats(call.in.back())[0]; }

void adamStep(const Call& call) {
  const float scale = gradientScale(call);
  if (!std::isfinite(scale)) return;
  const auto gradients = call.list(1), params = call.outList(0), means = call.outList(1),
             squares = call.outList(2);
  const auto& decays = call.numbers("weightDecay");
  for (size_t p = 0; p < params.size(); ++p) {
    const Adam adam(call, scale, decays.at(p));
    eachChunk(params[p].size(), [&](int64_t first, int64_t count) {
      alignas(64) float scratch[kChunk];
      const ScopedWrite param(params[p], first, count), mean(means[p], first, count),
          square(squares[p], first, count);
      adam.step(param.data, load(gradients[p], first, count, scratch), mean.data, square.data,
                count);
    });
  }
}

void sgdStep(const Call& call) {
  const float scale = gradientScale(call);
  if (!std::isfinite(scale)) return;
  const auto gradients = call.list(1), params = call.outList(0), velocities = call.outList(1);
  const auto& decays = call.numbers("weightDecay");
  const auto rate = static_cast<float>(call.number("learningRate"));
  const auto momentum = static_cast<float>(call.number("momentum"));
  for (size_t p = 0; p < params.size(); ++p) {
    const auto decay = static_cast<float>(decays.at(p));
    eachChunk(params[p].size(), [&](int64_t first, int64_t count) {
      alignas(64) float scratch[kChunk];
      const ScopedWrite param(params[p], first, count), velocity(velocities[p], first, count);
      const float* g = load(gradients[p], first, count, scratch);
      float *w = param.data, *v = velocity.data;
#pragma omp simd
      for (int64_t i = 0; i < count; ++i) {
        v[i] = v[i] * momentum + (g[i] * scale + w[i] * decay);
        w[i] -= v[i] * rate;
      }
    });
  }
}

const RegisterKernel registerAdam(
    {.name = "TesseraAdamStep",
     .inputs = {"scale"},
     .attributes = {"learningRate", "beta1", "beta2", "epsilon", "weightDecay", "decoupled",
                    "step"},
     .run = adamStep,
     .inPlace = {{"params", "params"}, {"means", "means"}, {"squares", "squares"}},
     .lists = {"params", "gradients", "means", "squares"},
     .outputLists = {"params", "means", "squares"}});
const RegisterKernel registerSgd({.name = "TesseraSgdStep",
                                  .inputs = {"scale"},
                                  .attributes = {"learningRate", "momentum", "weightDecay"},
                                  .run = sgdStep,
                                  .inPlace = {{"params", "params"}, {"velocities", "velocities"}},
                                  .lists = {"params", "gradients", "velocities"},
                                  .outputLists = {"params", "velocities"}});

}  // namespace
}  // namespace tessera
