// Causal attention in tiles, forward and backward, after FlashAttention (Dao et al., 2022): no
// matrix of time x time is ever made. B batch, T time, H query heads, G key heads, D depth.
#include <cmath>
#include <limits>

#include "attention_masks.h"
#include "attention_tiles.h"
#include "fast_math.h"
#include "parallel.h"

namespace tessera {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

/** The call's extents, and where the rows of each head lie. */
struct Heads {
  int64_t B, T, H, G, D;
  int64_t time, depth;  // padded to whole tiles and whole lanes
  int64_t step;         // from row to row of a packed matrix

  explicit Heads(const Call& call)
      : B(call.in[0].extent(0)),
        T(call.in[0].extent(1)),
        H(call.in[0].extent(2)),
        G(call.in[1].extent(3)),
        D(call.in[0].extent(3)),
        time(padded(T, kTile)),
        depth(padded(D, kLanes)),
        step(depth + 16) {}

  int64_t elements() const { return time * step; }
  /** Where the transposed tile of the positions from s lies. */
  int64_t tileAt(int64_t s) const { return s / kTile * depth * kTileStep; }
  /** From one packed matrix to the next: not a power of two, which would fill the same cache sets. */
  int64_t stride() const { return std::max(elements(), tileAt(time)) + 1040; }
  HeadRows query(const View& view, int64_t b, int64_t h) const {
    return {view, (b * T * H + h) * D, H * D, T, D};
  }
  HeadRows key(const View& view, int64_t b, int64_t g) const {
    return {view, (b * T * 2 * G + g) * D, 2 * G * D, T, D};
  }
  HeadRows value(const View& view, int64_t b, int64_t g) const {
    return {view, (b * T * 2 * G + G + g) * D, 2 * G * D, T, D};
  }
};

/** scores [kTile, kTileStep] = q k^T, minus infinity where a key comes after its query. */
void scoreTile(const Heads& at, float* q, float* keyT, bool diagonal, float* scores) {
  std::memset(scores, 0, kTile * kTileStep * sizeof(float));
  addProduct({q, at.step, 1}, {keyT, kTileStep}, {scores, kTileStep}, kTile, at.depth,
             diagonal ? Zeros::resultAbove : Zeros::none);
  if (!diagonal) return;
  for (int64_t r = 0; r < kTile; ++r) {
    for (int64_t c = r + 1; c < kTile; ++c) scores[r * kTileStep + c] = -kInfinity;
  }
}

/** The running softmax of one tile of queries. */
struct Softmax {
  float most[kTile], weight[kTile];

  Softmax() {
    std::fill_n(most, kTile, -kInfinity);
    std::fill_n(weight, kTile, 0.0f);
  }

  /** Turns scores into exp(score - most), and brings sums made under the old `most` to the new. */
  void take(float* scores, float* sums, int64_t step) {
    for (int64_t r = 0; r < kTile; ++r) {
      float *row = scores + r * kTileStep, *sum = sums + r * step;
      float top = most[r], total = 0;
#pragma omp simd reduction(max : top)
      for (int64_t c = 0; c < kTile; ++c) top = row[c] > top ? row[c] : top;
#pragma omp simd reduction(+ : total)
      for (int64_t c = 0; c < kTile; ++c) {
        row[c] = fastExp(row[c] - top);
        total += row[c];
      }
      const float shrink = fastExp(most[r] - top);
      weight[r] = weight[r] * shrink + total;
      most[r] = top;
#pragma omp simd
      for (int64_t d = 0; d < step; ++d) sum[d] *= shrink;
    }
  }
};

void multiplyTile(float* x, const float* factor) {
#pragma omp simd
  for (int64_t i = 0; i < kTile * kTileStep; ++i) x[i] *= factor[i];
}

/** What one thread holds in forward. */
struct ForwardSpace {
  float *query, *value, *keyT;
  static int64_t size(const Heads& at) { return 3 * at.stride(); }
  ForwardSpace(float* memory, const Heads& at)
      : query(memory), value(memory + at.stride()), keyT(memory + 2 * at.stride()) {}
};

/** What is left out of one head's probabilities. */
struct Masks {
  const ProbabilityDropout& dropout;
  Starts starts;
};

/** y and logSumExp of one head, whose rows are packed in `space`. */
void attend(const Heads& at, const ForwardSpace& space, const Masks& masks, int64_t b, int64_t h,
            const HeadRows& y, float* logSumExp) {
  alignas(64) float scores[kTile * kTileStep], mask[kTile * kTileStep] = {};
  for (int64_t t = 0; t < at.T; t += kTile) {
    float* q = space.query + t * at.step;
    Softmax softmax;
    thread_local std::vector<float> sums;
    sums.assign(kTile * at.step, 0.0f);
    for (int64_t s = masks.starts.firstTile(t); s <= t; s += kTile) {
      scoreTile(at, q, space.keyT + at.tileAt(s), s == t, scores);
      masks.starts.hide(t, s, scores);
      softmax.take(scores, sums.data(), at.step);
      if (masks.dropout.active()) {
        masks.dropout.mask(b, h, t, s, mask);
        multiplyTile(scores, mask);
      }
      addProduct({scores, kTileStep, 1}, {space.value + s * at.step, at.step}, {sums.data(), at.step}, at.depth,
                 kTile, s == t ? Zeros::leftAbove : Zeros::none);
    }
    for (int64_t r = 0; r < std::min(kTile, at.T - t); ++r) {
      const HeadRows row{y.view, y.first + (t + r) * y.step, 0, 1, at.D};
      unpack(sums.data() + r * at.step, at.step, 1.0f / softmax.weight[r], row);
      logSumExp[t + r] = softmax.most[r] + std::log(softmax.weight[r]);
    }
  }
}

void causalAttention(const Call& call) {
  const Heads at(call);
  const ProbabilityDropout dropout(call);
  const auto scale = static_cast<float>(call.number("scale"));
  float* logSumExp = call.out[1].floats();
  const int64_t size = ForwardSpace::size(at);
  const Scratch<float> memory(call.pool, omp_get_max_threads() * size);
  const View* starts = call.in.size() > 2 ? &call.in[2] : nullptr;
#pragma omp parallel for schedule(static)
  for (int64_t head = 0; head < at.B * at.H; ++head) {
    const ForwardSpace space(memory.data() + omp_get_thread_num() * size, at);
    const int64_t b = head / at.H, h = head % at.H, g = h / (at.H / at.G);
    // Keys pass through the memory of the values on their way to tiles.
    pack(at.key(call.in[1], b, g), 1, space.value, at.step);
    transposeTiles(space.value, at.time, at.depth, at.step, space.keyT);
    pack(at.value(call.in[1], b, g), 1, space.value, at.step);
    pack(at.query(call.in[0], b, h), scale, space.query, at.step);
    const Masks masks{dropout, starts == nullptr ? Starts() : Starts(*starts, b)};
    attend(at, space, masks, b, h, at.query(call.out[0], b, h), logSumExp + head * at.T);
  }
}

const Define define({"TesseraCausalAttention",
                     {"query", "keyValue"},
                     {"y", "logSumExp"},
                     {"whole", "start", "size", "key", "scale", "rate"},
                     causalAttention,
                     {},
                     {"logSumExp"}});
const Define defineDocuments({"TesseraDocumentAttention",
                              {"query", "keyValue", "starts"},
                              {"y", "logSumExp"},
                              {"whole", "start", "size", "key", "scale", "rate"},
                              causalAttention,
                              {},
                              {"logSumExp"}});

// Backward. With p the probabilities, m the dropout mask and delta = sum(dy y) per query:
//   dp = m (dy v^T), ds = p (dp - delta), dv = (m p)^T dy, dk = ds^T q, dq = ds k.

/** What one thread holds in backward; query is scaled. */
struct BackwardSpace {
  float *query, *key, *keyT, *valueT, *dy, *dQuery, *dKey, *dValue, *delta;
  static int64_t size(const Heads& at) { return 8 * at.stride() + padded(at.time, kLanes); }
  BackwardSpace(float* memory, const Heads& at) {
    float** const parts[] = {&query, &key, &keyT, &valueT, &dy, &dQuery, &dKey, &dValue, &delta};
    for (size_t i = 0; i < std::size(parts); ++i) *parts[i] = memory + static_cast<int64_t>(i) * at.stride();
  }
};

/** delta[t] = the sum of dy y over the row; 0 past the end. */
void rowProducts(const HeadRows& y, const float* dy, const Heads& at, float* delta) {
  std::fill_n(delta, at.time, 0.0f);
  thread_local std::vector<float> scratch;
  scratch.resize(at.depth);
  for (int64_t t = 0; t < at.T; ++t) {
    const float* row = y.row(t, scratch.data());
    float sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int64_t d = 0; d < at.D; ++d) sum += row[d] * dy[t * at.step + d];
    delta[t] = sum;
  }
}

/** Turns scores and dp into p (kept ones) and ds, for one tile. Queries past the end give zeros. */
void scoreGradient(float* scores, float* dp, const float* mask, const float* logSumExp, const float* delta,
                   int64_t rows) {
  for (int64_t r = 0; r < kTile; ++r) {
    float *score = scores + r * kTileStep, *slope = dp + r * kTileStep;
    const float* kept = mask + r * kTileStep;
    const float past = r < rows ? logSumExp[r] : kInfinity, along = delta[r];
#pragma omp simd
    for (int64_t c = 0; c < kTile; ++c) {
      const float p = fastExp(score[c] - past);
      slope[c] = p * (slope[c] * kept[c] - along);
      score[c] = p * kept[c];
    }
  }
}

/** Adds one query head's part to dKey and dValue, and makes its dQuery. */
void attendGradient(const Heads& at, const BackwardSpace& space, const Masks& masks, int64_t b, int64_t h,
                    const float* logSumExp) {
  alignas(64) float scores[kTile * kTileStep], dp[kTile * kTileStep], mask[kTile * kTileStep];
  const int64_t depth = at.depth, step = at.step;
  std::fill_n(mask, kTile * kTileStep, 1.0f);
  std::fill_n(space.dQuery, at.elements(), 0.0f);
  for (int64_t s = 0; s < at.T; s += kTile) {
    const Packed key{space.key + s * step, step}, dKey{space.dKey + s * step, step};
    const Packed dValue{space.dValue + s * step, step};
    for (int64_t t = s; t < at.T && !masks.starts.past(t, s); t += kTile) {
      const bool diagonal = s == t;
      const Zeros above = diagonal ? Zeros::leftAbove : Zeros::none;
      const Zeros below = diagonal ? Zeros::leftBelow : Zeros::none;
      const Packed q{space.query + t * step, step}, dy{space.dy + t * step, step};
      scoreTile(at, q.data, space.keyT + at.tileAt(s), diagonal, scores);
      masks.starts.hide(t, s, scores);
      std::memset(dp, 0, sizeof(dp));
      addProduct({dy.data, step, 1}, {space.valueT + at.tileAt(s), kTileStep}, {dp, kTileStep}, kTile, depth,
                 diagonal ? Zeros::resultAbove : Zeros::none);
      if (masks.dropout.active()) masks.dropout.mask(b, h, t, s, mask);
      scoreGradient(scores, dp, mask, logSumExp + t, space.delta + t, at.T - t);
      addProduct({scores, 1, kTileStep}, dy, dValue, depth, kTile, below);
      addProduct({dp, 1, kTileStep}, q, dKey, depth, kTile, below);
      addProduct({dp, kTileStep, 1}, key, {space.dQuery + t * step, step}, depth, kTile, above);
    }
  }
}

void causalAttentionGradient(const Call& call) {
  const Heads at(call);
  const ProbabilityDropout dropout(call);
  const auto scale = static_cast<float>(call.number("scale"));
  const View &query = call.in[0], &keyValue = call.in[1], &y = call.in[2], &dy = call.in[4];
  const Floats logSumExp(call.in[3]);
  const int64_t size = BackwardSpace::size(at), shared = at.H / at.G;
  const Scratch<float> memory(call.pool, omp_get_max_threads() * size);
  const View* starts = call.in.size() > 5 ? &call.in[5] : nullptr;
#pragma omp parallel for schedule(static)
  for (int64_t unit = 0; unit < at.B * at.G; ++unit) {
    const BackwardSpace space(memory.data() + omp_get_thread_num() * size, at);
    const int64_t b = unit / at.G, g = unit % at.G;
    pack(at.value(keyValue, b, g), 1, space.key, at.step);
    transposeTiles(space.key, at.time, at.depth, at.step, space.valueT);
    pack(at.key(keyValue, b, g), 1, space.key, at.step);
    transposeTiles(space.key, at.time, at.depth, at.step, space.keyT);
    std::fill_n(space.dKey, at.elements(), 0.0f);
    std::fill_n(space.dValue, at.elements(), 0.0f);
    const Masks masks{dropout, starts == nullptr ? Starts() : Starts(*starts, b)};
    for (int64_t h = g * shared; h < (g + 1) * shared; ++h) {
      pack(at.query(query, b, h), scale, space.query, at.step);
      pack(at.query(dy, b, h), 1, space.dy, at.step);
      rowProducts(at.query(y, b, h), space.dy, at, space.delta);
      attendGradient(at, space, masks, b, h, logSumExp.data() + (b * at.H + h) * at.T);
      unpack(space.dQuery, at.step, scale, at.query(call.out[0], b, h));
    }
    unpack(space.dKey, at.step, 1, at.key(call.out[1], b, g));
    unpack(space.dValue, at.step, 1, at.value(call.out[1], b, g));
  }
}

const Define defineGradient({"TesseraCausalAttentionGradient",
                             {"query", "keyValue", "y", "logSumExp", "dy"},
                             {"dQuery", "dKeyValue"},
                             {"whole", "start", "size", "key", "scale", "rate"},
                             causalAttentionGradient});
const Define defineDocumentGradient({"TesseraDocumentAttentionGradient",
                                     {"query", "keyValue", "y", "logSumExp", "dy", "starts"},
                                     {"dQuery", "dKeyValue"},
                                     {"whole", "start", "size", "key", "scale", "rate"},
                                     causalAttentionGradient});

}  // namespace
}  // namespace tessera
