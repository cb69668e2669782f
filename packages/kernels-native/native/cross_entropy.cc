// The head of a language model fused with its loss. Goes through the tokens in chunks, so that the
// logits of all tokens are never there at once. N tokens, C width, V vocabulary.
#include <cmath>

#include "matmul.h"
#include "softmax_rows.h"
#include "sums.h"

namespace tessera {
namespace {

/** Logits, or their gradients, take no more than this; all of them are made at once where they take half of it. */
constexpr int64_t kLogitBytes = int64_t{200} << 20;
/** Packed copies of a table that needs no conversion take no more than this. */
constexpr int64_t kPackedBytes = int64_t{150} << 20;
/** Tokens whose fp32 logits are there at once, where gradients of logits are kept in bf16. */
constexpr int64_t kSlice = 64;

/**
 * How tokens are divided: the table's gradient is summed over chunks, so that few of them are better. Where
 * products take bf16, chunks hold gradients in bf16 alone, and the logits of a slice of tokens.
 */
struct Division {
  /** Whether gradients of logits are bf16, beside the logits; else they lie over them. */
  bool narrow;
  int64_t chunk, slice;

  Division(int64_t tokens, int64_t V, Type type) : narrow(type == Type::bf16) {
    const int64_t logits = V * sizeof(float), kept = narrow ? V * bytesPer(type) : logits;
    slice = std::clamp<int64_t>(kLogitBytes / 2 / logits, 1, kSlice);
    const int64_t left = kLogitBytes - (narrow ? slice * logits : 0);
    const bool fits = tokens * kept <= left - kLogitBytes / 2;
    chunk = fits ? tokens : std::min((tokens + 1) / 2, std::max<int64_t>(left / kept, 1));
    const int64_t chunks = chunk == 0 ? 1 : (tokens + chunk - 1) / chunk;
    chunk = (tokens + chunks - 1) / chunks;
    slice = narrow ? std::min(slice, chunk) : chunk;
  }
};

/**
 * The table as products take it: packed where several share that, unless it is large and needs no conversion.
 */
class Table {
 public:
  Table(const View& table, Type type, bool shared, bool backward, Pool& pool)
      : toLogits_{table.data, table.type, table.extent(1), table.extent(0), true},
        toTokens_{table.data, table.type, table.extent(0), table.extent(1)} {
    if (!shared || (table.type == type && 2 * table.size() * bytesPer(type) > kPackedBytes)) return;
    toLogits_ = packs_[0].emplace(toLogits_, type, pool).matrix();
    if (backward) toTokens_ = packs_[1].emplace(toTokens_, type, pool).matrix();
  }

  /** [C, V]. */
  const Matrix& toLogits() const { return toLogits_; }
  /** [V, C]. */
  const Matrix& toTokens() const { return toTokens_; }

 private:
  Matrix toLogits_, toTokens_;
  std::optional<PackedMatrix> packs_[2];
};

struct Head {
  View x;
  int64_t N, C, V;
  Division division;
  Table table;
  const int32_t* targets;
  Floats weights;
  /** What is added to every token's logits, if anything is. */
  std::optional<Floats> bias;

  /** x is in the storage that products of it take. */
  Head(const Call& call, const Converted& x, bool backward)
      : x(x.view()),
        N(call.in[2].size()),
        C(call.in[1].extent(1)),
        V(call.in[1].extent(0)),
        division(N, V, x.view().type),
        table(call.in[1], x.view().type, division.slice < N, backward, call.pool),
        targets(call.in[2].ints()),
        weights(call.in[3]) {
    if (call.in.size() > 4) bias.emplace(call.in[4]);
  }

  Matrix tokens(int64_t first, int64_t count) const {
    return {at(x, first * C), x.type, count, C};
  }
};

/** The loss of one token, and its exps. A target outside the vocabulary has no logit. */
double tokenLoss(const Head& head, int64_t token, const float* logits, float* exps, float& sum) {
  const int64_t target = head.targets[token];
  const bool known = target >= 0 && target < head.V;
  const float logit = known ? logits[target] : 0.0f;
  const RowSum row = exponentials(logits, exps, head.V);
  sum = row.sum;
  return static_cast<double>(head.weights[token]) *
         (static_cast<double>(row.most) + std::log(static_cast<double>(row.sum)) - logit);
}

/**
 * Makes weight (softmax - one at the target) from e^(logit - most) and their sum, over the exps unless it is
 * narrowed, and calls use(first, count, values) for each stretch.
 */
template <typename Use>
void tokenGradient(const Head& head, int64_t token, float* exps, float sum, Use use) {
  const float weight = head.weights[token], factor = weight / sum;
  for (int64_t first = 0; first < head.V; first += kStretch) {
    alignas(64) float scratch[kStretch];
    const int64_t count = std::min(kStretch, head.V - first), target = head.targets[token] - first;
    const float* from = exps + first;
    float* to = head.division.narrow ? scratch : exps + first;
#pragma omp simd
    for (int64_t v = 0; v < count; ++v) to[v] = from[v] * factor;
    if (target >= 0 && target < count) to[target] -= weight;
    use(first, count, to);
  }
}

/**
 * Calls row(token, its place in the chunk, exps, their sum) for each token, and use(first, count, logits) for
 * each chunk, which is a slice where exps lie `over` the logits. Elsewhere exps lie in a buffer that stays in
 * the cache, and the logits are only read.
 */
template <typename Row, typename Use>
void eachChunk(const Head& head, const Call& call, bool over, Row row, Use use) {
  const int64_t chunk = head.division.chunk, slice = head.division.slice;
  const Scratch<float> logits(call.pool, slice * head.V);
  const Scratch<double> losses(call.pool, head.N);
  for (int64_t first = 0; first < head.N; first += chunk) {
    const int64_t count = std::min(chunk, head.N - first);
    for (int64_t begin = 0; begin < count; begin += slice) {
      const int64_t tokens = std::min(slice, count - begin);
      multiply({head.tokens(first + begin, tokens), head.table.toLogits(), logits.data(), Type::f32}, call.pool);
      eachRow(tokens, head.V, [&](int64_t i) {
        float* from = logits.data() + i * head.V;
        float* exps = over ? from : threadRows(head.V);
        const int64_t place = begin + i;
        float sum = 0;
        if (head.bias) addTo(from, head.bias->data(), head.V);
        losses.data()[first + place] = tokenLoss(head, first + place, from, exps, sum);
        row(first + place, place, exps, sum);
      });
    }
    use(first, count, logits.data());
  }
  double loss = 0;
  for (int64_t i = 0; i < head.N; ++i) loss += losses.data()[i];
  *call.out[0].floats() = static_cast<float>(loss);
}

void crossEntropy(const Call& call) {
  const Converted x(call.in[0], productType(call.in[0].type), call.pool);
  eachChunk(
      Head(call, x, false), call, false, [](int64_t, int64_t, float*, float) {}, [](int64_t, int64_t, float*) {});
}

void crossEntropyGradient(const Call& call) {
  const Type type = productType(call.in[0].type);
  const Converted x(call.in[0], type, call.pool);
  const Head head(call, x, true);
  const View& dx = call.out[1];
  float* dTable = call.out[2].floats();
  if (head.N == 0) std::fill_n(dTable, call.out[2].size(), 0.0f);
  std::optional<ThreadSums> dBias;
  if (head.bias) dBias.emplace(call.pool, omp_get_max_threads(), head.V);
  // The gradient of the logits, in the storage that products of x take.
  std::optional<Scratch<uint16_t>> narrow;
  if (head.division.narrow) narrow.emplace(call.pool, head.division.chunk * head.V);
  eachChunk(
      head, call, !narrow,
      [&](int64_t token, int64_t i, float* values, float sum) {
        tokenGradient(head, token, values, sum, [&](int64_t first, int64_t count, const float* part) {
          if (dBias) addTo(dBias->of(omp_get_thread_num()) + first, part, count);
          if (narrow) toBf16(part, narrow->data() + i * head.V + first, count);
        });
      },
      [&](int64_t first, int64_t count, float* logits) {
        const void* data = narrow ? static_cast<void*>(narrow->data()) : logits;
        void* out = const_cast<char*>(at(dx, first * head.C));
        multiply({{data, type, count, head.V}, head.table.toTokens(), out, dx.type}, call.pool);
        multiply({.a = {data, type, head.V, count, true},
                  .b = head.tokens(first, count),
                  .out = dTable,
                  .outType = Type::f32,
                  .accumulate = first > 0},
                 call.pool);
      });
  if (dBias) dBias->into(call.out[3]);
}

Kernel lossOf(const char* name, std::vector<std::string> inputs) {
  return {name, std::move(inputs), {"loss"}, {}, crossEntropy, {}, {"loss"}};
}

const Define define(lossOf("TesseraCrossEntropy", {"x", "table", "targets", "weights"}));
const Define defineBiased(lossOf("TesseraBiasedCrossEntropy", {"x", "table", "targets", "weights", "bias"}));
const Define defineGradient({"TesseraCrossEntropyGradient",
                             {"x", "table", "targets", "weights"},
                             {"loss", "dx", "dTable"},
                             {},
                             crossEntropyGradient,
                             {},
                             {"loss", "dTable"}});
const Define defineBiasedGradient({"TesseraBiasedCrossEntropyGradient",
                                   {"x", "table", "targets", "weights", "bias"},
                                   {"loss", "dx", "dTable", "dBias"},
                                   {},
                                   crossEntropyGradient,
                                   {},
                                   {"loss", "dTable", "dBias"}});

}  // namespace
}  // namespace tessera
