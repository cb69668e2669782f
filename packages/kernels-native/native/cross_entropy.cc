// The head of a language model fused with its loss, chunk by chunk of tokens. See head_exponentials.h.
#include <cmath>

#include "head_exponentials.h"
#include "sums.h"

namespace tessera {
namespace {

/** What exponentials that are kept take at most, beside the table's gradient. */
constexpr int64_t kMiB = int64_t{1} << 20, kHeadBytes = 300 * kMiB, kLeastKept = 100 * kMiB;

/** Tokens at a time. Few chunks are best: each goes through the table and its gradient. */
template <class Of>
int64_t chunkOf(const HeadInputs& in, bool backward) {
  const int64_t room = std::max(kHeadBytes - in.V * in.C * int64_t{sizeof(float)}, kLeastKept);
  const int64_t most = std::max<int64_t>(room / (in.V * bytesPer(Of::kType)), 1);
  const int64_t chunks = backward ? std::max<int64_t>((in.N + most - 1) / most, 1) : 1;
  return (in.N + chunks - 1) / chunks;
}

template <class Of>
class Head {
 public:
  Head(const Call& call, bool backward)
      : call_(call),
        in_(call),
        backward_(backward),
        chunk_(chunkOf<Of>(in_, backward)),
        step_(padded(in_.C, kLanes)),
        exponentials_(in_, chunk_, backward, call.pool),
        references_(call.pool, chunk_),
        known_(call.pool, chunk_),
        factors_(call.pool, chunk_) {}

  void run() {
    double loss = 0;
    for (size_t i = 2; i < call_.out.size() && in_.N == 0; ++i) {
      std::fill_n(call_.out[i].floats(), call_.out[i].size(), 0.0f);
    }
    for (first_ = 0; first_ < in_.N; first_ += chunk_) {
      count_ = std::min(chunk_, in_.N - first_);
      makeExponentials();
      for (int64_t t = 0; t < count_; ++t) loss += tokenLoss(t);
      if (!backward_) continue;
      eachRow(count_, in_.C, [&](int64_t t) { tokenGradient(t); });
      tableGradient();
    }
    *call_.out[0].floats() = static_cast<float>(loss);
  }

 private:
  /** The reference of a token's exponentials is its target's logit, which is rarely far from the most. */
  void makeExponentials() {
    float* references = references_.data();
    eachRow(count_, in_.C, [&](int64_t t) { references[t] = known_.data()[t] = targetLogit(first_ + t); });
    exponentials_.make(first_, count_, references);
    if (exponentials_.raise(references)) exponentials_.make(first_, count_, references);
  }

  bool isKnown(int64_t token) const { return in_.targets[token] >= 0 && in_.targets[token] < in_.V; }

  /** The target's row of the table, rounded as products round it. */
  const float* targetRow(int64_t token, float* room) const {
    float* cells = room + step_;
    toCells<Of>(in_.table, in_.targets[token] * in_.C, in_.C, cells);
    return load({cells, Of::kType, {}}, 0, in_.C, room);
  }

  /** A target outside the vocabulary has none: 0. */
  float targetLogit(int64_t token) const {
    if (!isKnown(token)) return 0;
    float* room = threadRows(3 * step_);
    const float* row = targetRow(token, room);
    const float* x = load(in_.x, token * in_.C, in_.C, room + 2 * step_);
    float sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int64_t i = 0; i < in_.C; ++i) sum += x[i] * row[i];
    return in_.bias ? sum + (*in_.bias)[in_.targets[token]] : sum;
  }

  double tokenLoss(int64_t t) const {
    const double weight = in_.weights[first_ + t], sum = exponentials_.sum(t);
    factors_.data()[t] = static_cast<float>(weight / sum);
    return weight * (references_.data()[t] + std::log(sum) - known_.data()[t]);
  }

  void tokenGradient(int64_t t) const {
    const int64_t token = first_ + t;
    const float factor = factors_.data()[t], weight = isKnown(token) ? in_.weights[token] : 0;
    float* room = threadRows(2 * step_);
    float* dx = exponentials_.product(t);
    const float* row = isKnown(token) ? targetRow(token, room) : dx;
#pragma omp simd
    for (int64_t i = 0; i < in_.C; ++i) dx[i] = dx[i] * factor - weight * row[i];
    store(call_.out[1], token * in_.C, in_.C, dx);
  }

  /** The gradients of the table and of the bias. */
  void tableGradient() const {
    const Scratch<float> scaled(call_.pool, count_ * in_.C);
    eachRow(count_, in_.C, [&](int64_t t) {
      float *room = threadRows(in_.C), *to = scaled.data() + t * in_.C;
      const float *x = load(in_.x, (first_ + t) * in_.C, in_.C, room), factor = factors_.data()[t];
#pragma omp simd
      for (int64_t i = 0; i < in_.C; ++i) to[i] = x[i] * factor;
    });
    multiplyKept(scaled.data(), in_.C, call_.out[2].floats());
    if (in_.bias) multiplyKept(factors_.data(), 1, call_.out[3].floats());
    eachPart(in_.V, threadsFor(count_ * in_.C), [&](int, Part mine) { subtractTargets(mine); });
  }

  /** out [V, columns] (+)= what is kept, times right [tokens of the chunk, columns]. */
  void multiplyKept(float* right, int64_t columns, float* out) const {
    Panels panels{nullptr, cellsOf<Of>(count_), columns};
    const Scratch<float> data(call_.pool, panels.size());
    panels.data = data.data();
    const Source source{{right, Type::f32, {}}, 0, count_, columns};
    eachRow(panels.cells, columns, [&](int64_t cell) { packRow<Of>(source, panels, cell); });
    const int64_t groups = padded(in_.V, kTileRows) / kTileRows;
    eachPart(groups, threadsFor(in_.V * count_), [&](int, Part mine) {
      multiplyRows<Of>(exponentials_.kept(), mine.of(kTileRows, in_.V), panels, out, first_ > 0,
                       threadRows(kBlockRows * kBlockStep));
    });
  }

  /** From the rows that are targets. */
  void subtractTargets(Part mine) const {
    float* room = threadRows(in_.C);
    for (int64_t token = first_; token < first_ + count_; ++token) {
      const int64_t target = in_.targets[token];
      if (target < mine.first || target >= mine.last) continue;
      const float *x = load(in_.x, token * in_.C, in_.C, room), weight = in_.weights[token];
      float* to = call_.out[2].floats() + target * in_.C;
#pragma omp simd
      for (int64_t i = 0; i < in_.C; ++i) to[i] -= x[i] * weight;
      if (in_.bias) call_.out[3].floats()[target] -= weight;
    }
  }

  const Call& call_;
  const HeadInputs in_;
  const bool backward_;
  const int64_t chunk_, step_;
  Exponentials<Of> exponentials_;
  const Scratch<float> references_, known_, factors_;
  int64_t first_ = 0, count_ = 0;
};

template <bool backward>
void head(const Call& call) {
  inCells({call.in[0]}, [&](auto cells) { Head<decltype(cells)>(call, backward).run(); });
}

const RegisterKernel registerLoss({.name = "TesseraCrossEntropy",
                                   .inputs = {"x", "table", "targets", "weights"},
                                   .outputs = {"loss"},
                                   .run = head<false>,
                                   .fp32Outputs = {"loss"},
                                   .optionalInputs = {"bias"}});
const RegisterKernel registerGradient({.name = "TesseraCrossEntropyGradient",
                                       .inputs = {"x", "table", "targets", "weights"},
                                       .outputs = {"loss", "dx", "dTable"},
                                       .run = head<true>,
                                       .fp32Outputs = {"loss", "dTable", "dBias"},
                                       .optionalInputs = {"bias"},
                                       .optionalOutputs = {"dBias"}});

}  // namespace
}  // namespace tessera
