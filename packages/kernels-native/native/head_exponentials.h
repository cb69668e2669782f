// The first half of a head fused with its loss. Each thread goes through its part of the vocabulary: a block of
// logits becomes exponentials while it is in the cache, and these go into the gradient of x at once. They are
// kept for the gradient of the table, which needs their sums first.
#pragma once

#include <limits>
#include <optional>

#include "panel_product.h"
#include "softmax_rows.h"

namespace tessera {

/** N tokens, C width, V vocabulary. */
struct HeadInputs {
  int64_t N, C, V;
  View x, table;
  const int32_t* targets;
  Floats weights;
  std::optional<Floats> bias;

  HeadInputs(const Call& call)
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

/** Threads side by side over the vocabulary, and over the tokens. */
struct Grid {
  int64_t vocabulary, tokens = 1;

  explicit Grid(int64_t threads) : vocabulary(threads) {
    // Each part of the vocabulary has a gradient of all tokens of its own.
    constexpr int64_t kMost = 8;
    while (vocabulary > kMost || threads % tokens != 0) vocabulary = threads / ++tokens;
  }
};

/** e^(logit - the token's reference), of chunks of at most `chunk` tokens. */
template <class Of>
class Exponentials {
 public:
  Exponentials(const HeadInputs& in, int64_t chunk, bool backward, Pool& pool)
      : in_(in),
        backward_(backward),
        grid_(threadsFor(in.V * kBlockRows)),
        chunk_(padded(chunk, kTileRows)),
        step_(padded(in.C, kLanes)),
        x_(pool, Groups::size(chunk_, cellsOf<Of>(in.C))),
        kept_(pool, backward ? Groups::size(in.V, keptCells()) : 0),
        dx_(pool, backward ? grid_.vocabulary * chunk_ * step_ : 0),
        sums_(pool, grid_.vocabulary * chunk_),
        most_(pool, grid_.vocabulary * chunk_),
        roomSize_(padded(Room::size(in.C), kLanes)),
        rooms_(pool, grid_.vocabulary * grid_.tokens * roomSize_) {}

  /** Of tokens [first, first + count). */
  void make(int64_t first, int64_t count, const float* references) {
    first_ = first;
    count_ = count;
    references_ = references;
    packTokens();
    const int64_t threads = grid_.vocabulary * grid_.tokens;
#pragma omp parallel for schedule(static, 1) num_threads(threads) if (threads > 1)
    for (int64_t thread = 0; thread < threads; ++thread) makePart(thread);
  }

  /** Makes the most of a token's logits its reference where it lies out of reach; whether there was one. */
  bool raise(float* references) const {
    // Sums of e^60 are far from the end of fp32, and 1 / them times a gradient too.
    constexpr float kReach = 60;
    bool raised = false;
    for (int64_t t = 0; t < count_; ++t) {
      float top = most(0)[t];
      for (int64_t part = 1; part < grid_.vocabulary; ++part) top = std::max(top, most(part)[t]);
      if (!(top > references[t] + kReach)) continue;
      references[t] = top;
      raised = true;
    }
    return raised;
  }

  double sum(int64_t t) const {
    double total = 0;
    for (int64_t part = 0; part < grid_.vocabulary; ++part) total += sums(part)[t];
    return total;
  }

  /** The sum over the vocabulary of a token's exponentials times the table's rows, [C]. To be called once. */
  float* product(int64_t t) const {
    float* total = dx(0, t);
    for (int64_t part = 1; part < grid_.vocabulary; ++part) addTo(total, dx(part, t), in_.C);
    return total;
  }

  /** [vocabulary, tokens] */
  Groups kept() const { return {kept_.data(), keptCells()}; }

 private:
  /** Cells of a group that fill a line of the cache, and the tokens in them. */
  static constexpr int64_t kLineCells = 64 / sizeof(float) / kTileRows, kLineTokens = kLineCells * Of::kElements;

  /** One thread's scratch: a block of the table in both layouts, its logits, and their exponentials as pairs. */
  struct Room {
    Panels toLogits, toTokens;
    float *logits, *pairs;

    static int64_t size(int64_t C) {
      return cellsOf<Of>(C) * kBlockColumns + cellsOf<Of>(kBlockColumns) * padded(C, kLanes) +
             2 * kBlockRows * kBlockStep;
    }
    Room(float* data, int64_t C, int64_t columns)
        : toLogits{data, cellsOf<Of>(C), columns},
          toTokens{data + toLogits.cells * kBlockColumns, cellsOf<Of>(columns), C},
          logits(toTokens.data + cellsOf<Of>(kBlockColumns) * padded(C, kLanes)),
          pairs(logits + kBlockRows * kBlockStep) {}
  };

  int64_t keptCells() const { return padded(cellsOf<Of>(chunk_), kLineCells); }
  Groups tokens() const { return {x_.data(), cellsOf<Of>(in_.C)}; }
  double* sums(int64_t part) const { return sums_.data() + part * chunk_; }
  float* most(int64_t part) const { return most_.data() + part * chunk_; }
  float* dx(int64_t part, int64_t t) const { return dx_.data() + (part * chunk_ + t) * step_; }

  void packTokens() const {
    const Source rows{in_.x, first_ * in_.C, count_, in_.C};
    eachRow(padded(count_, kTileRows) / kTileRows, kTileRows * in_.C, [&](int64_t group) {
      const int64_t t = group * kTileRows;
      transposeRows<Of>(rows, t, kTileRows, x_.data() + t * tokens().cells, kTileRows);
    });
  }

  void makePart(int64_t thread) const {
    const int64_t part = thread / grid_.tokens, panels = (in_.V + kPanel - 1) / kPanel;
    const Part mine(panels, part, grid_.vocabulary);
    const Part blocks((count_ + kBlockRows - 1) / kBlockRows, thread % grid_.tokens, grid_.tokens);
    const Part tokens = blocks.of(kBlockRows, count_);
    std::fill(sums(part) + tokens.first, sums(part) + tokens.last, 0.0);
    std::fill(most(part) + tokens.first, most(part) + tokens.last, -std::numeric_limits<float>::infinity());
    if (backward_) std::fill(dx(part, tokens.first), dx(part, tokens.last), 0.0f);
    for (int64_t panel = mine.first; panel < mine.last; panel += kBlockPanels) {
      const Part columns = Part(panel, std::min(panel + kBlockPanels, mine.last)).of(kPanel, in_.V);
      block(part, tokens, columns, Room(rooms_.data() + thread * roomSize_, in_.C, columns.size()));
    }
#if defined(__AVX512F__)
    _mm_sfence();
#endif
  }

  void block(int64_t part, Part tokens, Part columns, const Room& room) const {
    const Source rows{in_.table, columns.first * in_.C, columns.size(), in_.C};
    const Panels &toLogits = room.toLogits, &toTokens = room.toTokens;
    for (int64_t p = 0; p < toLogits.count(); ++p) packPanel<Of>(rows, toLogits, p);
    for (int64_t cell = 0; backward_ && cell < toTokens.cells; ++cell) packRow<Of>(rows, toTokens, cell);
    for (int64_t t = tokens.first; t < tokens.last; t += kBlockRows) {
      const int64_t height = std::min(kBlockRows, tokens.last - t);
      eachDepth(toLogits.cells, [&](int64_t cell, int64_t cells) {
        multiplyBlock<Of>(this->tokens().from(t, cell), height, toLogits, Part(0, toLogits.count()), cell, cells,
                          {room.logits, kBlockStep}, cell == 0);
      });
      for (int64_t r = 0; r < height; r += kLineTokens) {
        const int64_t some = std::min(kLineTokens, height - r);
        float* lines = room.logits + r * kBlockStep;
        for (int64_t i = 0; i < some; ++i) exponentials(part, t + r + i, columns, lines + i * kBlockStep);
        if (backward_) keep(t + r, some, columns, lines, room.pairs + r * kBlockStep);
      }
      if (!backward_) continue;
      const LeftRows left{Of::kElements == 1 ? room.logits : room.pairs, kTileRows * kBlockStep, false};
      multiplyBlock<Of>(left, height, toTokens, Part(0, toTokens.count()), 0, toTokens.cells, {dx(part, t), step_},
                        false);
    }
  }

  /** Of one token, over its logits. */
  void exponentials(int64_t part, int64_t t, Part columns, float* logits) const {
    if (in_.bias) addTo(logits, in_.bias->data() + columns.first, columns.size());
    const float reference = references_[t];
    float sum = 0, top = most(part)[t];
#pragma omp simd reduction(+ : sum) reduction(max : top)
    for (int64_t i = 0; i < columns.size(); ++i) {
      const float logit = logits[i], e = fastExp(logit - reference);
      top = logit > top ? logit : top;
      logits[i] = e;
      sum += e;
    }
    sums(part)[t] += sum;
    most(part)[t] = top;
  }

  /** Keeps the exponentials of the tokens of a line; they are brought into pairs first. */
  void keep(int64_t t, int64_t some, Part columns, float* lines, float* pairs) const {
    alignas(64) static constexpr float kZeros[kBlockColumns] = {};
    alignas(64) float stacked[kLineCells][kBlockColumns];
    const float* cells[kLineCells];
    for (int64_t c = 0; c < kLineCells; ++c) {
      cells[c] = c * Of::kElements < some ? lines + c * kBlockStep : kZeros;
      if constexpr (Of::kElements == 2) {
        const float* sides[2] = {kZeros, kZeros};
        for (int64_t row = 2 * c; row < std::min(2 * c + 2, some); ++row) {
          const View wide{lines + row * kBlockStep, Type::f32, {}};
          toCells<Of>(wide, 0, columns.size(), pairs + row * kBlockStep);
          sides[row % 2] = pairs + row * kBlockStep;
        }
        interleave(reinterpret_cast<const uint16_t*>(sides[0]), reinterpret_cast<const uint16_t*>(sides[1]),
                   columns.size(), stacked[c]);
        cells[c] = stacked[c];
      }
    }
    const Groups all = kept();
    const int64_t groups = padded(columns.size(), kTileRows) / kTileRows;
    putLines(cells, groups, all.data + columns.first * all.cells + t / Of::kElements * kTileRows,
             all.cells * kTileRows);
  }

  /** kLineCells cells of each group -> to, `step` apart: past the caches, which do not hold them until they are used. */
  static void putLines(const float* const (&cells)[kLineCells], int64_t groups, float* to, int64_t step) {
    int64_t g = 0;
#if defined(__AVX512F__)
    typedef int32_t Order __attribute__((vector_size(64)));
    for (; g + 2 <= groups; g += 2) {
      const Lanes one = *reinterpret_cast<const Lanes*>(cells[0] + g * kTileRows);
      const Lanes two = *reinterpret_cast<const Lanes*>(cells[1] + g * kTileRows);
      constexpr Order kFirst{0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23};
      _mm512_stream_ps(to + g * step, __builtin_shuffle(one, two, kFirst));
      _mm512_stream_ps(to + (g + 1) * step, __builtin_shuffle(one, two, kFirst + 8));
    }
#endif
    for (; g < groups; ++g) {
      for (int64_t c = 0; c < kLineCells; ++c) {
        std::memcpy(to + g * step + c * kTileRows, cells[c] + g * kTileRows, kTileRows * sizeof(float));
      }
    }
  }

  const HeadInputs& in_;
  const bool backward_;
  const Grid grid_;
  const int64_t chunk_, step_;
  const Scratch<float> x_, kept_, dx_;
  const Scratch<double> sums_;
  const Scratch<float> most_;
  const int64_t roomSize_;
  const Scratch<float> rooms_;
  int64_t first_ = 0, count_ = 0;
  const float* references_ = nullptr;
};

}  // namespace tessera
