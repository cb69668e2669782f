// Sums over whole tensors: of gradients, and of their squares.
#include "elementwise.h"

namespace tessera {
namespace {

float plus(float a, float b) { return a + b; }

void accumulate(const Call& call) {
  const View& total = call.out[0];
  mapElements(total, call.in[1], total, plus);
}

void accumulateAll(const Call& call) {
  const auto totals = call.outList(0), gradients = call.list(1);
  for (size_t i = 0; i < totals.size(); ++i) mapElements(totals[i], gradients[i], totals[i], plus);
}

/** tfjs's AddN: tensors are added in their order. */
void addN(const Call& call) {
  const View& y = call.out[0];
  const auto xs = call.list(0);
  eachChunk(y.size(), [&](int64_t first, int64_t count) {
    alignas(64) float scratch[kChunk], sums[kChunk] = {};
    for (const View& x : xs) {
      const float* from = load(x, first, count, scratch);
#pragma omp simd
      for (int64_t i = 0; i < count; ++i) sums[i] += from[i];
    }
    store(y, first, count, sums);
  });
}

/**
 * The sum of squares of one tensor. Chunks are summed in fp32, and their sums added in order, in
 * double.
 */
float sumOfSquares(const View& x, Pool& pool) {
  const int64_t chunks = (x.size() + kChunk - 1) / kChunk;
  const Scratch<float> partial(pool, chunks);
  eachChunk(x.size(), [&](int64_t first, int64_t count) {
    alignas(64) float scratch[kChunk];
    const float* from = load(x, first, count, scratch);
    float sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int64_t i = 0; i < count; ++i) sum += from[i] * from[i];
    partial.data()[first / kChunk] = sum;
  });
  double total = 0;
  for (int64_t i = 0; i < chunks; ++i) total += partial.data()[i];
  return static_cast<float>(total);
}

/** Tensors are added in fp32, as the composite adds scalars. */
void sumOfSquares(const Call& call) {
  const auto xs = call.list(0);
  const auto& factors = call.numbers("factors");
  float total = 0;
  for (size_t i = 0; i < xs.size(); ++i) {
    total += sumOfSquares(xs[i], call.pool) * static_cast<float>(factors.at(i));
  }
  *call.out[0].floats() = total;
}

const RegisterKernel registerAddN({.name = "AddN", .outputs = {"y"}, .run = addN, .lists = {"xs"}});
const RegisterKernel registerAccumulate(
    {"TesseraAccumulate", {"sum", "gradient"}, {"total"}, {}, accumulate, {{"total", "sum"}}});
const RegisterKernel registerAccumulateAll({.name = "TesseraAccumulateAll",
                                            .run = accumulateAll,
                                            .inPlace = {{"totals", "sums"}},
                                            .lists = {"sums", "gradients"},
                                            .outputLists = {"totals"}});
const RegisterKernel registerSquares({.name = "TesseraSumOfSquares",
                                      .outputs = {"total"},
                                      .attributes = {"factors"},
                                      .run = sumOfSquares,
                                      .fp32Outputs = {"total"},
                                      .lists = {"xs"}});

}  // namespace
}  // namespace tessera
