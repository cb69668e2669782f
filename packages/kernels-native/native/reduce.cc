// Sum, mean and maximum over the last or the first dimensions, and softmax over the last. The
// caller gives the tensor as [outer, inner].
#include <cmath>
#include <limits>

#include "fast_math.h"
#include "sums.h"

namespace tessera {
namespace {

/** Sums in fixed lanes, then over the lanes: the order depends on the count alone. */
double sumOf(const float* x, int64_t count) {
  double total = 0;
  for (int64_t first = 0; first < count; first += kStretch) {
    const int64_t last = std::min(count, first + kStretch);
    float part = 0;
#pragma omp simd reduction(+ : part)
    for (int64_t i = first; i < last; ++i) part += x[i];
    total += part;
  }
  return total;
}

float maxOf(const float* x, int64_t count) {
  float most = -std::numeric_limits<float>::infinity();
  bool nan = false;
#pragma omp simd reduction(max : most) reduction(| : nan)
  for (int64_t i = 0; i < count; ++i) {
    most = x[i] > most ? x[i] : most;
    nan |= x[i] != x[i];
  }
  return nan ? std::numeric_limits<float>::quiet_NaN() : most;
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

/** y [inner] = the sum over x [outer, inner]'s rows, times `factor`. */
void downColumns(const View& x, const View& y, float factor) {
  const int64_t outer = x.extent(0), inner = x.extent(1);
  constexpr int64_t kColumns = 64;
  const int64_t stripes = (inner + kColumns - 1) / kColumns;
#pragma omp parallel for schedule(static) if (outer * inner >= kWorthThreads)
  for (int64_t stripe = 0; stripe < stripes; ++stripe) {
    const int64_t first = stripe * kColumns, count = std::min(kColumns, inner - first);
    alignas(64) float sums[kColumns] = {}, scratch[kColumns];
    for (int64_t row = 0; row < outer; ++row) {
      const float* from = load(x, row * inner + first, count, scratch);
#pragma omp simd
      for (int64_t i = 0; i < count; ++i) sums[i] += from[i];
    }
    for (int64_t i = 0; i < count; ++i) sums[i] *= factor;
    store(y, first, count, sums);
  }
}

void total(const Call& call, bool mean) {
  const View &x = call.in[0], &y = call.out[0];
  if (call.flag("leading")) {
    return downColumns(x, y, mean ? 1.0f / static_cast<float>(x.extent(0)) : 1.0f);
  }
  alongRows(x, y, [mean](const float* row, int64_t count) {
    return static_cast<float>(mean ? sumOf(row, count) / static_cast<double>(count) : sumOf(row, count));
  });
}

void sum(const Call& call) { total(call, false); }
void mean(const Call& call) { total(call, true); }
void max(const Call& call) { alongRows(call.in[0], call.out[0], maxOf); }

void softmax(const Call& call) {
  const View &x = call.in[0], &y = call.out[0];
  const int64_t width = x.width();
  eachRow(x.rows(), width, [&](int64_t row) {
    float* scratch = threadRows(2 * width);
    const float* from = load(x, row * width, width, scratch);
    float* to = target(y, row * width, scratch + width);
    const float most = maxOf(from, width);
    float weight = 0;
#pragma omp simd reduction(+ : weight)
    for (int64_t i = 0; i < width; ++i) {
      const float e = fastExp(from[i] - most);
      to[i] = e;
      weight += e;
    }
    const float factor = 1.0f / weight;
#pragma omp simd
    for (int64_t i = 0; i < width; ++i) to[i] *= factor;
    store(y, row * width, width, to);
  });
}

const Define defineSum({"Sum", {"x"}, {"y"}, {"leading"}, sum});
const Define defineMean({"Mean", {"x"}, {"y"}, {"leading"}, mean});
const Define defineMax({"Max", {"x"}, {"y"}, {}, max});
const Define defineSoftmax({"Softmax", {"logits"}, {"y"}, {}, softmax});

}  // namespace
}  // namespace tessera
