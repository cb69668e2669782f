// An LM head fused with its cross-entropy, in chunks of tokens. See fused_cross_entropy.h.
#include <cmath>

#include "fused_cross_entropy.h"
#include "sums.h"

namespace tessera {
namespace {

/** What is computed: the loss alone, with the gradient of x, or with all gradients. */
enum class Gradients { none, input, all };

/** Tokens per chunk. Few chunks are best: each reads the table and updates its gradient. */
template <class Element>
int64_t chunkOf(const LmHeadInputs& in, const Call& call, bool backward) {
  if (!backward) return in.N;
  const auto limit = static_cast<int64_t>(call.number("exponentialBytes"));
  const int64_t maxTokens = std::max<int64_t>(limit / (in.V * bytesPer(Element::kType)), 1);
  const int64_t chunks = std::max<int64_t>((in.N + maxTokens - 1) / maxTokens, 1);
  return (in.N + chunks - 1) / chunks;
}

template <class Element>
class FusedCrossEntropy {
 public:
  FusedCrossEntropy(const Call& call, Gradients gradients)
      : call_(call),
        in_(call),
        gradients_(gradients),
        chunk_(chunkOf<Element>(in_, call, hasBackward())),
        step_(padded(in_.C, kLanes)),
        exponentials_(in_, chunk_, hasBackward(), call.pool),
        references_(call.pool, chunk_),
        targetLogits_(call.pool, chunk_),
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
      if (!hasBackward()) continue;
      eachRow(count_, in_.C, [&](int64_t t) { tokenGradient(t); });
      if (gradients_ == Gradients::all) tableGradient();
    }
    *call_.out[0].floats() = static_cast<float>(loss);
  }

 private:
  bool hasBackward() const { return gradients_ != Gradients::none; }

  /**
   * The reference of a token's exponentials is its target logit, which is rarely far below the row
   * max.
   */
  void makeExponentials() {
    float* references = references_.data();
    eachRow(count_, in_.C,
            [&](int64_t t) { references[t] = targetLogits_.data()[t] = targetLogit(first_ + t); });
    exponentials_.make(first_, count_, references);
    if (exponentials_.raise(references)) exponentials_.make(first_, count_, references);
  }

  bool hasTarget(int64_t token) const {
    return in_.targets[token] >= 0 && in_.targets[token] < in_.V;
  }

  /** The target's row of the table, rounded as in products. */
  const float* targetRow(int64_t token, float* workspace) const {
    float* words = workspace + step_;
    packWords<Element>(in_.table, in_.targets[token] * in_.C, in_.C, words);
    return load({words, Element::kType, {}}, 0, in_.C, workspace);
  }

  /** 0 for a target outside the vocabulary. */
  float targetLogit(int64_t token) const {
    if (!hasTarget(token)) return 0;
    float* workspace = threadRows(3 * step_);
    const float* row = targetRow(token, workspace);
    const float* x = load(in_.x, token * in_.C, in_.C, workspace + 2 * step_);
    float sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int64_t i = 0; i < in_.C; ++i) sum += x[i] * row[i];
    return in_.bias ? sum + (*in_.bias)[in_.targets[token]] : sum;
  }

  double tokenLoss(int64_t t) const {
    const double weight = in_.weights[first_ + t], sum = exponentials_.sum(t);
    factors_.data()[t] = static_cast<float>(weight / sum);
    return weight * (references_.data()[t] + std::log(sum) - targetLogits_.data()[t]);
  }

  void tokenGradient(int64_t t) const {
    const int64_t token = first_ + t;
    const float factor = factors_.data()[t], weight = hasTarget(token) ? in_.weights[token] : 0;
    float* workspace = threadRows(2 * step_);
    float* dx = exponentials_.product(t);
    const float* row = hasTarget(token) ? targetRow(token, workspace) : dx;
#pragma omp simd
    for (int64_t i = 0; i < in_.C; ++i) dx[i] = dx[i] * factor - weight * row[i];
    store(call_.out[1], token * in_.C, in_.C, dx);
  }

  /** The gradients of the table and of the bias. */
  void tableGradient() const {
    const Scratch<float> scaled(call_.pool, count_ * in_.C);
    eachRow(count_, in_.C, [&](int64_t t) {
      float *workspace = threadRows(in_.C), *to = scaled.data() + t * in_.C;
      const float *x = load(in_.x, (first_ + t) * in_.C, in_.C, workspace),
                  factor = factors_.data()[t];
#pragma omp simd
      for (int64_t i = 0; i < in_.C; ++i) to[i] = x[i] * factor;
    });
    multiplySaved(scaled.data(), in_.C, call_.out[2].floats());
    if (in_.bias) multiplySaved(factors_.data(), 1, call_.out[3].floats());
    eachRange(in_.V, threadsFor(count_ * in_.C), [&](int, Range mine) { subtractTargets(mine); });
  }

  /** out [V, columns] (+)= saved exponentials, times right [tokens of the chunk, columns]. */
  void multiplySaved(float* right, int64_t columns, float* out) const {
    Panels panels{nullptr, wordCount<Element>(count_), columns};
    const Scratch<float> data(call_.pool, panels.size());
    panels.data = data.data();
    const Source source{{right, Type::f32, {}}, 0, count_, columns};
    eachRow(panels.words, columns, [&](int64_t word) { packRow<Element>(source, panels, word); });
    const int64_t groups = padded(in_.V, kTileRows) / kTileRows;
    eachRange(groups, threadsFor(in_.V * count_), [&](int, Range mine) {
      multiplyRows<Element>(exponentials_.saved(), mine.of(kTileRows, in_.V), panels, out,
                            first_ > 0, threadRows(kBlockRows * kBlockStep));
    });
  }

  /** Subtracts the one-hot part of the gradient from the rows of targets. */
  void subtractTargets(Range mine) const {
    float* workspace = threadRows(in_.C);
    for (int64_t token = first_; token < first_ + count_; ++token) {
      const int64_t target = in_.targets[token];
      if (target < mine.first || target >= mine.last) continue;
      const float *x = load(in_.x, token * in_.C, in_.C, workspace), weight = in_.weights[token];
      float* to = call_.out[2].floats() + target * in_.C;
#pragma omp simd
      for (int64_t i = 0; i < in_.C; ++i) to[i] -= x[i] * weight;
      if (in_.bias) call_.out[3].floats()[target] -= weight;
    }
  }

  const Call& call_;
  const LmHeadInputs in_;
  const Gradients gradients_;
  const int64_t chunk_, step_;
  Exponentials<Element> exponentials_;
  const Scratch<float> references_, targetLogits_, factors_;
  int64_t first_ = 0, count_ = 0;
};

template <Gradients gradients>
void head(const Call& call) {
  dispatchElement({call.in[0]},
                  [&](auto words) { FusedCrossEntropy<decltype(words)>(call, gradients).run(); });
}

const RegisterKernel registerLoss({.name = "TesseraCrossEntropy",
                                   .inputs = {"x", "table", "targets", "weights"},
                                   .outputs = {"loss"},
                                   .run = head<Gradients::none>,
                                   .fp32Outputs = {"loss"},
                                   .optionalInputs = {"bias"}});
const RegisterKernel registerGradient({.name = "TesseraCrossEntropyGradient",
                                       .inputs = {"x", "table", "targets", "weights"},
                                       .outputs = {"loss", "dx", "dTable"},
                                       .attributes = {"exponentialBytes"},
                                       .run = head<Gradients::all>,
                                       .fp32Outputs = {"loss", "dTable", "dBias"},
                                       .optionalInputs = {"bias"},
                                       .optionalOutputs = {"dBias"}});
const RegisterKernel registerInputGradient({.name = "TesseraCrossEntropyInputGradient",
                                            .inputs = {"x", "table", "targets", "weights"},
                                            .outputs = {"loss", "dx"},
                                            .attributes = {"exponentialBytes"},
                                            .run = head<Gradients::input>,
                                            .fp32Outputs = {"loss"},
                                            .optionalInputs = {"bias"}});

}  // namespace
}  // namespace tessera
