// The logits of a vocabulary-parallel LM head for the table rows of one rank, and their gradient
// once the ranks have exchanged row maxima and sums. N positions, C width, V table rows of this
// rank.
#include <optional>

#include "matmul.h"
#include "softmax_rows.h"
#include "sums.h"

namespace tessera {
namespace {

/** The table row of a position's target, or -1 where another rank has it. */
int64_t rowOf(const Call& call, const View& targets, int64_t i, int64_t V) {
  const int64_t row = targets.ints()[i] - static_cast<int64_t>(call.number("firstToken"));
  return row >= 0 && row < V ? row : -1;
}

void vocabularySlice(const Call& call) {
  const View &targets = call.in[2], &exps = call.out[0];
  const Type type = productType(call.in[0].type);
  const Converted x(call.in[0], type, call.pool), table(call.in[1], type, call.pool);
  const auto bias = call.has(3) ? std::optional<Floats>(call.in[3]) : std::nullopt;
  const int64_t N = targets.size(), C = call.in[1].extent(1), V = call.in[1].extent(0);
  multiply({.a = {x.view().data, type, N, C},
            .b = {table.view().data, type, C, V, true},
            .out = exps.data,
            .outType = Type::f32,
            .bias = bias ? bias->data() : nullptr},
           call.pool);
  float* stats = call.out[1].floats();
  eachRow(N, V, [&](int64_t i) {
    float* values = exps.floats() + i * V;
    const int64_t row = rowOf(call, targets, i, V);
    const float targetLogit = row < 0 ? 0.0f : values[row];
    const RowSum sum = exponentials(values, values, V);
    stats[i] = sum.max;
    stats[N + i] = sum.sum;
    stats[2 * N + i] = targetLogit;
  });
}

void vocabularySliceGradient(const Call& call) {
  const View &exps = call.in[0], &targets = call.in[2], &dLogits = call.out[0];
  const Floats factors(call.in[1]), weights(call.in[3]);
  const int64_t V = exps.width();
  eachRow(exps.rows(), V, [&](int64_t i) {
    float* scratch = threadRows(2 * V);
    const float* from = load(exps, i * V, V, scratch);
    float* to = target(dLogits, i * V, scratch + V);
    const float factor = factors[i];
#pragma omp simd
    for (int64_t v = 0; v < V; ++v) to[v] = from[v] * factor;
    const int64_t row = rowOf(call, targets, i, V);
    if (row >= 0) to[row] -= weights[i];
    store(dLogits, i * V, V, to);
  });
}

const RegisterKernel registerSlice({.name = "TesseraVocabularySlice",
                                    .inputs = {"x", "table", "targets"},
                                    .outputs = {"exps", "stats"},
                                    .attributes = {"firstToken"},
                                    .run = vocabularySlice,
                                    .fp32Outputs = {"exps", "stats"},
                                    .optionalInputs = {"bias"}});
const RegisterKernel registerGradient({.name = "TesseraVocabularySliceGradient",
                                       .inputs = {"exps", "factors", "targets", "weights"},
                                       .outputs = {"dLogits"},
                                       .attributes = {"firstToken", "storage"},
                                       .run = vocabularySliceGradient});

}  // namespace
}  // namespace tessera
