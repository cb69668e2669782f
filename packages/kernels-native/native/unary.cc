// Elementwise operations on one tensor.
#include <cmath>

#include "fast_math.h"
#include "parallel.h"

namespace tessera {
namespace {

template <typename Op>
void unary(const Call& call) {
  const View &x = call.in[0], &y = call.out[0];
  eachStretch(y.size(), [&](int64_t first, int64_t count) {
    alignas(64) float scratchX[kStretch], scratchY[kStretch];
    const float* from = load(x, first, count, scratchX);
    float* to = target(y, first, scratchY);
#pragma omp simd
    for (int64_t i = 0; i < count; ++i) to[i] = Op{}(from[i]);
    store(y, first, count, to);
  });
}

struct Exp {
  float operator()(float x) const { return fastExp(x); }
};
struct Neg {
  float operator()(float x) const { return -x; }
};
struct Rsqrt {
  float operator()(float x) const { return 1.0f / std::sqrt(x); }
};
struct Sigmoid {
  float operator()(float x) const { return fastSigmoid(x); }
};
struct Sqrt {
  float operator()(float x) const { return std::sqrt(x); }
};
struct Square {
  float operator()(float x) const { return x * x; }
};

const Define defineExp({"Exp", {"x"}, {"y"}, {}, unary<Exp>});
const Define defineNeg({"Neg", {"x"}, {"y"}, {}, unary<Neg>});
const Define defineRsqrt({"Rsqrt", {"x"}, {"y"}, {}, unary<Rsqrt>});
const Define defineSigmoid({"Sigmoid", {"x"}, {"y"}, {}, unary<Sigmoid>});
const Define defineSqrt({"Sqrt", {"x"}, {"y"}, {}, unary<Sqrt>});
const Define defineSquare({"Square", {"x"}, {"y"}, {}, unary<Square>});

}  // namespace
}  // namespace tessera
