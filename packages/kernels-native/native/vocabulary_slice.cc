// A head's logits by the rows of the table that one rank holds, and their gradient once the ranks know of
// each other's. N positions, C width, V rows of the table.
#include "matmul.h"
#include "softmax_rows.h"
#include "sums.h"

namespace tessera {
namespace {

/** The target of a position as a row of the table, or -1 where another rank has it. */
int64_t rowOf(const Call& call, const View& targets, int64_t i, int64_t V) {
  const int64_t row = targets.ints()[i] - static_cast<int64_t>(call.number("firstToken"));
  return row >= 0 && row < V ? row : -1;
}

void vocabularySlice(const Call& call) {
  const View &targets = call.in[2], &exps = call.out[0];
  const Type type = productType(call.in[0].type);
  const Converted x(call.in[0], type, call.pool), table(call.in[1], type, call.pool);
  const Floats bias(call.in[3]);
  const int64_t N = targets.size(), C = call.in[1].extent(1), V = call.in[1].extent(0);
  multiply({.a = {x.view().data, type, N, C},
            .b = {table.view().data, type, C, V, true},
            .out = exps.data,
            .outType = Type::f32,
            .bias = call.in[3].size() == 0 ? nullptr : bias.data()},
           call.pool);
  float* figures = call.out[1].floats();
  eachRow(N, V, [&](int64_t i) {
    float* values = exps.floats() + i * V;
    const int64_t row = rowOf(call, targets, i, V);
    const float known = row < 0 ? 0.0f : values[row];
    const RowSum sum = exponentials(values, values, V);
    figures[i] = sum.most;
    figures[N + i] = sum.sum;
    figures[2 * N + i] = known;
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

const Define define({"TesseraVocabularySlice",
                     {"x", "table", "targets", "bias"},
                     {"exps", "figures"},
                     {"firstToken"},
                     vocabularySlice,
                     {},
                     {"exps", "figures"}});
const Define defineGradient({"TesseraVocabularySliceGradient",
                             {"exps", "factors", "targets", "weights"},
                             {"dLogits"},
                             {"firstToken", "storage"},
                             vocabularySliceGradient});

}  // namespace
}  // namespace tessera
