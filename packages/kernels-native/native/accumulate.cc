// Sums of gradients.
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

const RegisterKernel registerAddN({.name = "AddN", .outputs = {"y"}, .run = addN, .lists = {"xs"}});
const RegisterKernel registerAccumulate(
    {"TesseraAccumulate", {"sum", "gradient"}, {"total"}, {}, accumulate, {{"total", "sum"}}});
const RegisterKernel registerAccumulateAll({.name = "TesseraAccumulateAll",
                                            .run = accumulateAll,
                                            .inPlace = {{"totals", "sums"}},
                                            .lists = {"sums", "gradients"},
                                            .outputLists = {"totals"}});

}  // namespace
}  // namespace tessera
