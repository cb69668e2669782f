// The first half of an LM head fused with its cross-entropy. Each thread goes through its shard of
// the vocabulary, block by block. While a block of logits is in the cache, it becomes exponentials,
// which are multiplied with the table for the gradient of x. They are saved for the gradient of the
// table, which needs their sums over the vocabulary first.
//
//            vocabulary, one shard per thread
//           +-----------+-----------+-----------+
//   tokens  | block     |           |           |   block: kBlockRows tokens x kBlockColumns ids
//   of a    |-----------|           |           |   logits -> exp -> dx += exp table
//   chunk   |           |           |           |                \-> saved [vocabulary, tokens]
//           +-----------+-----------+-----------+
#pragma once

#include <limits>
#include <optional>

#include "panel_product.h"
#include "softmax_rows.h"

namespace tessera {

/** N tokens, C width, V vocabulary. */
struct LmHeadInputs {
  int64_t N, C, V;
  View x, table;
  const int32_t* targets;
  Floats weights;
  std::optional<Floats> bias;

  LmHeadInputs(const Call& call)
      : N(call.in[2].size()),
        C(call.in[1].extent(1)),
        V(call.in[1].extent(0)),
        x(call.in[0]),
        table(call.in[1]),
        targets(call.in[2].ints()),
        weights(call.in[3]) {
    if (call.has(4)) bias.emplace(call.in[4]);
  }
};

/** How threads are spread over the vocabulary and over the tokens. */
struct ThreadGrid {
  int64_t vocabulary, tokens = 1;

  explicit ThreadGrid(int64_t threads) : vocabulary(threads) {
    // Each shard of the vocabulary needs a dx of all tokens.
    constexpr int64_t kMost = 8;
    while (vocabulary > kMost || threads % tokens != 0) vocabulary = threads / ++tokens;
  }
};

/** exp(logit - reference of the token), for chunks of at most `chunk` tokens. */
template <class Element>
class Exponentials {
 public:
  Exponentials(const LmHeadInputs& in, int64_t chunk, bool backward, Pool& pool)
      : in_(in),
        backward_(backward),
        grid_(threadsFor(in.V * kBlockRows)),
        chunk_(padded(chunk, kTileRows)),
        step_(padded(in.C, kLanes)),
        x_(pool, Groups::size(chunk_, wordCount<Element>(in.C))),
        saved_(pool, backward ? Groups::size(in.V, savedWords()) : 0),
        dx_(pool, backward ? grid_.vocabulary * chunk_ * step_ : 0),
        sums_(pool, grid_.vocabulary * chunk_),
        rowMaxes_(pool, grid_.vocabulary * chunk_),
        workspaceSize_(padded(Workspace::size(in.C), kLanes)),
        workspaces_(pool, grid_.vocabulary * grid_.tokens * workspaceSize_) {}

  /** Computes those of tokens [first, first + count). */
  void make(int64_t first, int64_t count, const float* references) {
    first_ = first;
    count_ = count;
    references_ = references;
    packTokens();
    const int64_t threads = grid_.vocabulary * grid_.tokens;
#pragma omp parallel for schedule(static, 1) num_threads(threads) if (threads > 1)
    for (int64_t thread = 0; thread < threads; ++thread) computeShard(thread);
  }

  /**
   * Rebases a token's reference to its row max if that exceeds it by more than kReach. Returns
   * whether any was.
   */
  bool raise(float* references) const {
    // Sums of e^60, and gradients divided by them, are far from the limits of fp32.
    constexpr float kReach = 60;
    bool raised = false;
    for (int64_t t = 0; t < count_; ++t) {
      float top = rowMax(0)[t];
      for (int64_t shard = 1; shard < grid_.vocabulary; ++shard)
        top = std::max(top, rowMax(shard)[t]);
      if (!(top > references[t] + kReach)) continue;
      references[t] = top;
      raised = true;
    }
    return raised;
  }

  double sum(int64_t t) const {
    double total = 0;
    for (int64_t shard = 0; shard < grid_.vocabulary; ++shard) total += sums(shard)[t];
    return total;
  }

  /** exp table [C] of a token, summed over the vocabulary. Call once per token. */
  float* product(int64_t t) const {
    float* total = dx(0, t);
    for (int64_t shard = 1; shard < grid_.vocabulary; ++shard) addTo(total, dx(shard, t), in_.C);
    return total;
  }

  /** [vocabulary, tokens] */
  Groups saved() const { return {saved_.data(), savedWords()}; }

 private:
  /** Words of a group that fill a cache line, and their tokens. */
  static constexpr int64_t kLineWords = 64 / sizeof(float) / kTileRows,
                           kLineTokens = kLineWords * Element::kElements;

  /**
   * Of one thread: a block of the table in both layouts, its logits, and their exponentials as bf16
   * pairs.
   */
  struct Workspace {
    Panels toLogits, toTokens;
    float *logits, *pairs;

    static int64_t size(int64_t C) {
      return wordCount<Element>(C) * kBlockColumns +
             wordCount<Element>(kBlockColumns) * padded(C, kLanes) + 2 * kBlockRows * kBlockStep;
    }
    Workspace(float* data, int64_t C, int64_t columns)
        : toLogits{data, wordCount<Element>(C), columns},
          toTokens{data + toLogits.words * kBlockColumns, wordCount<Element>(columns), C},
          logits(toTokens.data + wordCount<Element>(kBlockColumns) * padded(C, kLanes)),
          pairs(logits + kBlockRows * kBlockStep) {}
  };

  int64_t savedWords() const { return padded(wordCount<Element>(chunk_), kLineWords); }
  Groups tokens() const { return {x_.data(), wordCount<Element>(in_.C)}; }
  double* sums(int64_t shard) const { return sums_.data() + shard * chunk_; }
  float* rowMax(int64_t shard) const { return rowMaxes_.data() + shard * chunk_; }
  float* dx(int64_t shard, int64_t t) const { return dx_.data() + (shard * chunk_ + t) * step_; }

  void packTokens() const {
    const Source rows{in_.x, first_ * in_.C, count_, in_.C};
    eachRow(padded(count_, kTileRows) / kTileRows, kTileRows * in_.C, [&](int64_t group) {
      const int64_t t = group * kTileRows;
      transposeRows<Element>(rows, t, kTileRows, x_.data() + t * tokens().words, kTileRows);
    });
  }

  void computeShard(int64_t thread) const {
    const int64_t shard = thread / grid_.tokens, panels = (in_.V + kPanel - 1) / kPanel;
    const Range mine(panels, shard, grid_.vocabulary);
    const Range blocks((count_ + kBlockRows - 1) / kBlockRows, thread % grid_.tokens, grid_.tokens);
    const Range tokens = blocks.of(kBlockRows, count_);
    std::fill(sums(shard) + tokens.first, sums(shard) + tokens.last, 0.0);
    std::fill(rowMax(shard) + tokens.first, rowMax(shard) + tokens.last,
              -std::numeric_limits<float>::infinity());
    if (backward_) std::fill(dx(shard, tokens.first), dx(shard, tokens.last), 0.0f);
    for (int64_t panel = mine.first; panel < mine.last; panel += kBlockPanels) {
      const Range columns =
          Range(panel, std::min(panel + kBlockPanels, mine.last)).of(kPanel, in_.V);
      block(shard, tokens, columns,
            Workspace(workspaces_.data() + thread * workspaceSize_, in_.C, columns.size()));
    }
#if defined(__AVX512F__)
    _mm_sfence();
#endif
  }

  void block(int64_t shard, Range tokens, Range columns, const Workspace& workspace) const {
    const Source rows{in_.table, columns.first * in_.C, columns.size(), in_.C};
    const Panels &toLogits = workspace.toLogits, &toTokens = workspace.toTokens;
    for (int64_t p = 0; p < toLogits.count(); ++p) packPanel<Element>(rows, toLogits, p);
    for (int64_t word = 0; backward_ && word < toTokens.words; ++word)
      packRow<Element>(rows, toTokens, word);
    for (int64_t t = tokens.first; t < tokens.last; t += kBlockRows) {
      const int64_t height = std::min(kBlockRows, tokens.last - t);
      eachDepth(toLogits.words, [&](int64_t word, int64_t words) {
        multiplyBlock<Element>(this->tokens().from(t, word), height, toLogits,
                               Range(0, toLogits.count()), word, words,
                               {workspace.logits, kBlockStep}, word == 0);
      });
      for (int64_t r = 0; r < height; r += kLineTokens) {
        const int64_t some = std::min(kLineTokens, height - r);
        float* lines = workspace.logits + r * kBlockStep;
        for (int64_t i = 0; i < some; ++i)
          exponentials(shard, t + r + i, columns, lines + i * kBlockStep);
        if (backward_) keep(t + r, some, columns, lines, workspace.pairs + r * kBlockStep);
      }
      if (!backward_) continue;
      const LeftRows left{Element::kElements == 1 ? workspace.logits : workspace.pairs,
                          kTileRows * kBlockStep, false};
      multiplyBlock<Element>(left, height, toTokens, Range(0, toTokens.count()), 0, toTokens.words,
                             {dx(shard, t), step_}, false);
    }
  }

  /** Replaces the logits of one token by their exponentials. */
  void exponentials(int64_t shard, int64_t t, Range columns, float* logits) const {
    if (in_.bias) addTo(logits, in_.bias->data() + columns.first, columns.size());
    const float reference = references_[t];
    float sum = 0, top = rowMax(shard)[t];
#pragma omp simd reduction(+ : sum) reduction(max : top)
    for (int64_t i = 0; i < columns.size(); ++i) {
      const float logit = logits[i], e = fastExp(logit - reference);
      top = logit > top ? logit : top;
      logits[i] = e;
      sum += e;
    }
    sums(shard)[t] += sum;
    rowMax(shard)[t] = top;
  }

  /** Saves the exponentials of the tokens of a cache line; bf16 ones are interleaved first. */
  void keep(int64_t t, int64_t some, Range columns, float* lines, float* pairs) const {
    alignas(64) static constexpr float kZeros[kBlockColumns] = {};
    alignas(64) float paired[kLineWords][kBlockColumns];
    const float* words[kLineWords];
    for (int64_t c = 0; c < kLineWords; ++c) {
      words[c] = c * Element::kElements < some ? lines + c * kBlockStep : kZeros;
      if constexpr (Element::kElements == 2) {
        const float* sides[2] = {kZeros, kZeros};
        for (int64_t row = 2 * c; row < std::min(2 * c + 2, some); ++row) {
          const View wide{lines + row * kBlockStep, Type::f32, {}};
          packWords<Element>(wide, 0, columns.size(), pairs + row * kBlockStep);
          sides[row % 2] = pairs + row * kBlockStep;
        }
        interleave(reinterpret_cast<const uint16_t*>(sides[0]),
                   reinterpret_cast<const uint16_t*>(sides[1]), columns.size(), paired[c]);
        words[c] = paired[c];
      }
    }
    const Groups all = saved();
    const int64_t groups = padded(columns.size(), kTileRows) / kTileRows;
    putLines(words, groups,
             all.data + columns.first * all.words + t / Element::kElements * kTileRows,
             all.words * kTileRows);
  }

  /**
   * Writes kLineWords words of each group to `to`, `step` apart, with non-temporal stores: they are
   * read much later.
   */
  static void putLines(const float* const (&words)[kLineWords], int64_t groups, float* to,
                       int64_t step) {
    int64_t g = 0;
#if defined(__AVX512F__)
    typedef int32_t Order __attribute__((vector_size(64)));
    for (; g + 2 <= groups; g += 2) {
      const Simd one = *reinterpret_cast<const Simd*>(words[0] + g * kTileRows);
      const Simd two = *reinterpret_cast<const Simd*>(words[1] + g * kTileRows);
      constexpr Order kFirst{0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23};
      _mm512_stream_ps(to + g * step, __builtin_shuffle(one, two, kFirst));
      _mm512_stream_ps(to + (g + 1) * step, __builtin_shuffle(one, two, kFirst + 8));
    }
#endif
    for (; g < groups; ++g) {
      for (int64_t c = 0; c < kLineWords; ++c) {
        std::memcpy(to + g * step + c * kTileRows, words[c] + g * kTileRows,
                    kTileRows * sizeof(float));
      }
    }
  }

  const LmHeadInputs& in_;
  const bool backward_;
  const ThreadGrid grid_;
  const int64_t chunk_, step_;
  const Scratch<float> x_, saved_, dx_;
  const Scratch<double> sums_;
  const Scratch<float> rowMaxes_;
  const int64_t workspaceSize_;
  const Scratch<float> workspaces_;
  int64_t first_ = 0, count_ = 0;
  const float* references_ = nullptr;
};

}  // namespace tessera
