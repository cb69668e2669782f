// tfjs's batched matrix products.
#include "elements.h"
#include "matmul.h"

namespace tessera {
namespace {

/** a [batchA, n, k], b [batchB, k, m], either given transposed; a batch of 1 serves all of y's. */
Product productOf(const Call& call) {
  const View &a = call.in[0], &b = call.in[1], &y = call.out[0];
  const bool flipA = call.flag("transposeA"), flipB = call.flag("transposeB");
  const int64_t batch = y.extent(0), inner = a.extent(flipA ? 1 : 2);
  Product product{{a.data, a.type, y.extent(1), inner, flipA},
                  {b.data, b.type, inner, y.extent(2), flipB},
                  y.data,
                  y.type};
  product.batch = batch;
  product.batchA = a.extent(0) == batch ? 1 : 0;
  product.batchB = b.extent(0) == batch ? 1 : 0;
  return product;
}

void batchMatMul(const Call& call) { multiply(productOf(call), call.pool); }

void fusedMatMul(const Call& call) {
  const Floats bias(call.in[2]);
  Product product = productOf(call);
  product.bias = bias.data();
  multiply(product, call.pool);
}

const RegisterKernel registerKernel(
    {"BatchMatMul", {"a", "b"}, {"y"}, {"transposeA", "transposeB"}, batchMatMul});
const RegisterKernel registerFused(
    {"_FusedMatMul", {"a", "b", "bias"}, {"y"}, {"transposeA", "transposeB"}, fusedMatMul});

}  // namespace
}  // namespace tessera
