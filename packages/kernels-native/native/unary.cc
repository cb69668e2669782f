// Elementwise operations on one tensor.
#include <cmath>

#include "elementwise.h"
#include "fast_math.h"

namespace tessera {
namespace {

template <typename Op>
void unary(const Call& call) {
  mapElements(call.in[0], call.out[0], Op{});
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
