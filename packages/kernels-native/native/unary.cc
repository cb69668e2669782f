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
/** In double, as JavaScript computes it: few elements are ever passed. */
struct Log {
  float operator()(float x) const { return static_cast<float>(std::log(static_cast<double>(x))); }
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

const RegisterKernel registerExp({"Exp", {"x"}, {"y"}, {}, unary<Exp>});
const RegisterKernel registerLog({"Log", {"x"}, {"y"}, {}, unary<Log>});
const RegisterKernel registerNeg({"Neg", {"x"}, {"y"}, {}, unary<Neg>});
const RegisterKernel registerRsqrt({"Rsqrt", {"x"}, {"y"}, {}, unary<Rsqrt>});
const RegisterKernel registerSigmoid({"Sigmoid", {"x"}, {"y"}, {}, unary<Sigmoid>});
const RegisterKernel registerSqrt({"Sqrt", {"x"}, {"y"}, {}, unary<Sqrt>});
const RegisterKernel registerSquare({"Square", {"x"}, {"y"}, {}, unary<Square>});

}  // namespace
}  // namespace tessera
