// Sum, mean and maximum over the last or the first dimensions, and softmax over the last. The
// caller gives the tensor as [outer, inner].
#include <cmath>
#include <limits>

#include "fast_math.h"
#include "sums.h"

namespace tessera {
namespace {

/** Sums in fixed chunks, in an order that depends on the count alone. */
double sumOf(const float* x, int64_t count) {
  double total = 0;
  for (int64_t first = 0; first < count; first += kChunk) {
    const int64_t last = std::min(count, first + kChunk);
    float partial = 0;
#pragma omp simd reduction(+ : partial)
    for (int64_t i = first; i < last; ++i) partial += x[i];
    total += partial;
  }
  return total;
}

float maxOf(const float* x, int64_t count) {
  float rowMax = -std::numeric_limits<float>::infinity();
  bool nan = false;
#pragma omp simd reduction(max : rowMax) reduction(| : nan)
  for (int64_t i = 0; i < count; ++i) {
    rowMax = x[i] > rowMax ? x[i] : rowMax;
    nan |= x[i] != x[i];
  }
  return nan ? std::numeric_limits<float>::quiet_NaN() : rowMax;
}

/** y [outer] = reduce(row of x [outer, inner]). */
template <typename Reduce>
void alongRows(const View& x, const View& y, Reduce reduce) {
  const int64_t outer = x.extent(0), inner = x.extent(1);
  eachRow(outer, inner, [&](int64_t row) {
    const float value = reduce(load(x, row * inner, inner, threadRows(inner)), inner);
    store(y, row, 1, &value);
  });
}

/** y [inner] = the columns of x [outer, inner] folded by `op` from `first` on, times `factor`. */
template <typename Op>
void downColumns(const View& x, const View& y, float first, float factor, Op op) {
  const int64_t outer = x.extent(0), inner = x.extent(1);
  constexpr int64_t kColumns = 64;
  const int64_t stripes = (inner + kColumns - 1) / kColumns;
#pragma omp parallel for schedule(static) if (outer * inner >= kMinParallelSize)
  for (int64_t stripe = 0; stripe < stripes; ++stripe) {
    const int64_t column = stripe * kColumns, count = std::min(kColumns, inner - column);
    alignas(64) float folded[kColumns], scratch[kColumns];
    std::fill_n(folded, kColumns, first);
    for (int64_t row = 0; row < outer; ++row) {
      const float* from = load(x, row * inner + column, count, scratch);
#pragma omp simd
      for (int64_t i = 0; i < count; ++i) folded[i] = op(folded[i], from[i]);
    }
    for (int64_t i = 0; i < count; ++i) folded[i] *= factor;
    store(y, column, count, folded);
  }
}

void total(const Call& call, bool mean) {
  const View &x = call.in[0], &y = call.out[0];
  if (call.flag("leading")) {
    const float factor = mean ? 1.0f / static_cast<float>(x.extent(0)) : 1.0f;
    return downColumns(x, y, 0, factor, [](float a, float b) { return a + b; });
  }
  alongRows(x, y, [mean](const float* row, int64_t count) {
    return static_cast<float>(mean ? sumOf(row, count) / static_cast<double>(count)
                                   : sumOf(row, count));
  });
}

void sum(const Call& call) { total(call, false); }
void mean(const Call& call) { total(call, true); }

void max(const Call& call) {
  const View &x = call.in[0], &y = call.out[0];
  if (!call.flag("leading")) return alongRows(x, y, maxOf);
  downColumns(x, y, -std::numeric_limits<float>::infinity(), 1,
              [](float a, float b) { return a > b || a != a ? a : b; });
}

void softmax(const Call& call) {
  const View &x = call.in[0], &y = call.out[0];
  const int64_t width = x.width();
  eachRow(x.rows(), width, [&](int64_t row) {
    float* scratch = threadRows(2 * width);
    const float* from = load(x, row * width, width, scratch);
    float* to = target(y, row * width, scratch + width);
    const float rowMax = maxOf(from, width);
    float weight = 0;
#pragma omp simd reduction(+ : weight)
    for (int64_t i = 0; i < width; ++i) {
      const float e = fastExp(from[i] - rowMax);
      to[i] = e;
      weight += e;
    }
    const float factor = 1.0f / weight;
#pragma omp simd
    for (int64_t i = 0; i < width; ++i) to[i] *= factor;
    store(y, row * width, width, to);
  });
}

const RegisterKernel registerSum({"Sum", {"x"}, {"y"}, {"leading"}, sum});
const RegisterKernel registerMean({"Mean", {"x"}, {"y"}, {"leading"}, mean});
const RegisterKernel registerMax({"Max", {"x"}, {"y"}, {"leading"}, max});
const RegisterKernel registerSoftmax({"Softmax", {"logits"}, {"y"}, {}, softmax});

}  // namespace
}  // namespace tessera
