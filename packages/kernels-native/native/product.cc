// Matrix products of linear layers, and their bias gradients.
#include "elementwise.h"
#include "matmul.h"
#include "sums.h"

namespace tessera {
namespace {

Matrix rowsOf(const View& view) { return {view.data, view.type, view.rows(), view.width()}; }

Matrix transposed(const View& view) {
  return {view.data, view.type, view.width(), view.rows(), true};
}

void linear(const Call& call) {
  const Floats bias(call.in[2]);
  const View& y = call.out[0];
  multiply({rowsOf(call.in[0]), rowsOf(call.in[1]), y.data, y.type, bias.data()}, call.pool);
}

void product(const Call& call) {
  const View &weight = call.in[1], &y = call.out[0];
  const Matrix right = call.flag("transpose") ? transposed(weight) : rowsOf(weight);
  multiply({rowsOf(call.in[0]), right, y.data, y.type}, call.pool);
}

void weightGradient(const Call& call) {
  const View& dWeight = call.out[0];
  multiply({transposed(call.in[0]), rowsOf(call.in[1]), dWeight.data, dWeight.type}, call.pool);
}

float plus(float a, float b) { return a + b; }

/** The gradient is added whole, as it is when it comes from another rank. */
void addWeightGradient(const Call& call) {
  const View& total = call.out[0];
  const Scratch<float> summand(call.pool, total.size());
  multiply({transposed(call.in[1]), rowsOf(call.in[2]), summand.data(), Type::f32}, call.pool);
  mapElements(total, {summand.data(), Type::f32, total.shape}, total, plus);
}

void sumRows(const Call& call) {
  const View &dy = call.in[0], &dBias = call.out[0];
  const int64_t width = dBias.size(), rows = width == 0 ? 0 : dy.size() / width;
  const int threads = threadsFor(rows * width);
  const ThreadSums sums(call.pool, threads, width);
  eachRange(rows, threads, [&](int thread, Range range) {
    float *total = sums.of(thread), *scratch = threadRows(width);
    for (int64_t row = range.first; row < range.last; ++row) {
      withElements(dy, row * width, width, scratch, [&](const auto* from) {
#pragma omp simd
        for (int64_t i = 0; i < width; ++i) total[i] += widened(from[i]);
      });
    }
  });
  sums.into(dBias);
}

const RegisterKernel registerLinear({"TesseraLinear", {"x", "weight", "bias"}, {"y"}, {}, linear});
const RegisterKernel registerProduct(
    {"TesseraProduct", {"x", "weight"}, {"y"}, {"transpose"}, product});
const RegisterKernel registerWeight(
    {"TesseraWeightGradient", {"x", "dy"}, {"dWeight"}, {}, weightGradient, {}, {"dWeight"}});
const RegisterKernel registerAdd({"TesseraAddWeightGradient",
                                  {"sum", "x", "dy"},
                                  {"total"},
                                  {},
                                  addWeightGradient,
                                  {{"total", "sum"}}});
const RegisterKernel registerRows(
    {"TesseraSumRows", {"dy"}, {"dBias"}, {}, sumRows, {}, {"dBias"}});

}  // namespace
}  // namespace tessera
