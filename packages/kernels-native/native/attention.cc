// Causal attention in tiles, after FlashAttention (Dao et al., 2022): no matrix of time x time is ever
// made. B batch, T time, H query heads, G key heads, D depth.
#include <cmath>

#include "attention_heads.h"
#include "attention_masks.h"
#include "fast_math.h"
#include "sums.h"

namespace tessera {
namespace {

/** The running softmax of one tile of queries. */
struct Softmax {
  float scale, most[kTile], weight[kTile];

  explicit Softmax(float scale) : scale(scale) {
    std::fill_n(most, kTile, -kInfinity);
    std::fill_n(weight, kTile, 0.0f);
  }

  /** Turns scores into exp(scale score - most), and brings sums made under the old `most` to the new. */
  void take(float* scores, float* sums, int64_t step) {
    for (int64_t r = 0; r < kTile; ++r) {
      float *row = scores + r * kTileStep, *sum = sums + r * step;
      float highest = -kInfinity, total = 0;
#pragma omp simd reduction(max : highest)
      for (int64_t c = 0; c < kTile; ++c) highest = row[c] > highest ? row[c] : highest;
      const float top = std::max(most[r], highest * scale);
#pragma omp simd reduction(+ : total)
      for (int64_t c = 0; c < kTile; ++c) {
        row[c] = fastExp(row[c] * scale - top);
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

/** What one thread holds. */
struct Space {
  float *query, *keyT, *rows, *room, *value = nullptr;
  static int64_t size(const Heads& at) { return 4 * at.stride(); }
  Space(float* memory, const Heads& at)
      : query(memory), keyT(query + at.stride()), rows(keyT + at.stride()), room(rows + at.stride()) {}
};

/** y and logSumExp of one head, whose rows are packed in `space`. */
template <class Of>
void attend(const Heads& at, const Space& space, const Masks& masks, int64_t b, int64_t h, const HeadRows& y,
            float* logSumExp) {
  alignas(64) float scores[kTile * kTileStep], mask[kTile * kTileStep] = {};
  Left<Of> left;
  for (int64_t t = 0; t < at.T; t += kTile) {
    Softmax softmax(at.scale);
    float* sums = threadRows(kTile * at.step);
    std::fill_n(sums, kTile * at.step, 0.0f);
    for (int64_t s = masks.starts.firstTile(t); s <= t; s += kTile) {
      scoreTile<Of>(at, space.query + t * at.step, space.keyT + at.tileAt(s), s == t, scores);
      masks.starts.hide(t, s, scores);
      softmax.take(scores, sums, at.step);
      if (masks.dropout.active()) {
        masks.dropout.mask(b, h, t, s, mask);
        multiplyTile(scores, mask);
      }
      addProduct<Of>(left.overColumns(scores), stackedFrom<Of>(at, space.value, s), {sums, at.step}, at.depth,
                     kTile, s == t ? Zeros::leftAbove : Zeros::none);
    }
    for (int64_t r = 0; r < std::min(kTile, at.T - t); ++r) {
      const HeadRows row{y.view, y.first + (t + r) * y.step, 0, 1, at.D};
      unpack(sums + r * at.step, at.step, 1.0f / softmax.weight[r], row);
      logSumExp[t + r] = softmax.most[r] + std::log(softmax.weight[r]);
    }
  }
}

template <class Of>
void attendAll(const Call& call) {
  const Heads at(call);
  const ProbabilityDropout dropout(call);
  float* logSumExp = call.out[1].floats();
  const int64_t size = Space::size(at);
  const Scratch<float> memory(call.pool, omp_get_max_threads() * size);
#pragma omp parallel for schedule(static)
  for (int64_t head = 0; head < at.B * at.H; ++head) {
    Space space(memory.data() + omp_get_thread_num() * size, at);
    const int64_t b = head / at.H, h = head % at.H, g = h / (at.H / at.G);
    // Keys pass through the memory of the values on their way to tiles.
    pack<Of>(at.key(call.in[1], b, g), space.rows, at.step);
    transposeTiles<Of>(at, space.rows, space.keyT);
    pack<Of>(at.value(call.in[1], b, g), space.rows, at.step);
    space.value = stack<Of>(at, space.rows, space.room);
    pack<Of>(at.query(call.in[0], b, h), space.query, at.step);
    const Masks masks{dropout, call.has(2) ? Starts(call.in[2], b) : Starts()};
    attend<Of>(at, space, masks, b, h, at.query(call.out[0], b, h), logSumExp + head * at.T);
  }
}

void causalAttention(const Call& call) {
  inCells({call.in[0], call.in[1]}, [&](auto cells) { attendAll<decltype(cells)>(call); });
}

const RegisterKernel registerKernel({.name = "TesseraCausalAttention",
                                     .inputs = {"query", "keyValue"},
                                     .outputs = {"y", "logSumExp"},
                                     .attributes = {"whole", "start", "size", "key", "scale", "rate"},
                                     .run = causalAttention,
                                     .fp32Outputs = {"logSumExp"},
                                     .optionalInputs = {"starts"}});

}  // namespace
}  // namespace tessera
