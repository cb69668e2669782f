// Causal attention in tiles, as in FlashAttention (Dao et al., 2022): no time x time matrix is
// materialized. B batch, T time, H query heads, G KV heads, D head size.
#include <cmath>

#include "attention_heads.h"
#include "attention_masks.h"
#include "fast_math.h"
#include "sums.h"

namespace tessera {
namespace {

/** The online softmax of one tile of queries. */
struct Softmax {
  float scale, rowMax[kTile], weight[kTile];

  explicit Softmax(float scale) : scale(scale) {
    std::fill_n(rowMax, kTile, -kInfinity);
    std::fill_n(weight, kTile, 0.0f);
  }

  /** scores -> exp(scale score - rowMax), and rescales the sums to the new `rowMax`. */
  void take(float* scores, int64_t rows, float* sums, int64_t step) {
    for (int64_t r = 0; r < rows; ++r) {
      float *row = scores + r * kTileStep, *sum = sums + r * step;
      float highest = -kInfinity, total = 0;
#pragma omp simd reduction(max : highest)
      for (int64_t c = 0; c < kTile; ++c) highest = row[c] > highest ? row[c] : highest;
      const float top = std::max(rowMax[r], highest * scale);
#pragma omp simd reduction(+ : total)
      for (int64_t c = 0; c < kTile; ++c) {
        row[c] = fastExp(row[c] * scale - top);
        total += row[c];
      }
      const float shrink = fastExp(rowMax[r] - top);
      weight[r] = weight[r] * shrink + total;
      rowMax[r] = top;
#pragma omp simd
      for (int64_t d = 0; d < step; ++d) sum[d] *= shrink;
    }
  }
};

void multiplyTile(float* x, int64_t rows, const float* factor) {
#pragma omp simd
  for (int64_t i = 0; i < rows * kTileStep; ++i) x[i] *= factor[i];
}

/** Of one thread. */
struct Workspace {
  float *query, *keyT, *rows, *paired, *value = nullptr;
  static int64_t size(const Heads& at) { return 4 * at.stride(); }
  Workspace(float* memory, const Heads& at)
      : query(memory),
        keyT(query + at.stride()),
        rows(keyT + at.stride()),
        paired(rows + at.stride()) {}
};

/** y and logSumExp of one head, whose packed rows are in `workspace`. */
template <class Element>
void attend(const Heads& at, const Workspace& workspace, const Masks& masks, int64_t b, int64_t h,
            const HeadRows& y, float* logSumExp) {
  alignas(64) float scores[kTile * kTileStep], mask[kTile * kTileStep] = {};
  Left<Element> left;
  for (int64_t t = 0; t < at.T; t += kTile) {
    const int64_t rows = at.rowsFrom(t);
    Softmax softmax(at.scale);
    float* sums = threadRows(kTile * at.step);
    std::fill_n(sums, kTile * at.step, 0.0f);
    for (int64_t s = masks.starts.firstTile(t); s <= t; s += kTile) {
      scoreTile<Element>(at, workspace.query + t * at.step, workspace.keyT + at.tileAt(s), rows,
                         s == t, scores);
      masks.starts.hide(t, s, scores);
      softmax.take(scores, rows, sums, at.step);
      if (masks.dropout.active()) {
        masks.dropout.mask(b, h, t, s, mask);
        multiplyTile(scores, rows, mask);
      }
      addProduct<Element>(left.overColumns(scores), pairedFrom<Element>(at, workspace.value, s),
                          {sums, at.step}, rows, at.depth, kTile,
                          s == t ? Zeros::leftAbove : Zeros::none);
    }
    for (int64_t r = 0; r < std::min(kTile, at.T - t); ++r) {
      const HeadRows row{y.view, y.first + (t + r) * y.step, 0, 1, at.D};
      unpack(sums + r * at.step, at.step, 1.0f / softmax.weight[r], row);
      logSumExp[t + r] = softmax.rowMax[r] + std::log(softmax.weight[r]);
    }
  }
}

template <class Element>
void attendAll(const Call& call) {
  const Heads at(call);
  const ProbabilityDropout dropout(call);
  float* logSumExp = call.out[1].floats();
  const int64_t size = Workspace::size(at);
  const Scratch<float> memory(call.pool, omp_get_max_threads() * size);
#pragma omp parallel for schedule(static)
  for (int64_t head = 0; head < at.B * at.H; ++head) {
    Workspace workspace(memory.data() + omp_get_thread_num() * size, at);
    const int64_t b = head / at.H, h = head % at.H, g = h / (at.H / at.G);
    // Keys are packed in the memory of the values before they are transposed.
    pack<Element>(at.key(call.in[1], b, g), workspace.rows, at.step);
    transposeTiles<Element>(at, workspace.rows, workspace.keyT);
    pack<Element>(at.value(call.in[1], b, g), workspace.rows, at.step);
    workspace.value = pairRows<Element>(at, workspace.rows, workspace.paired);
    pack<Element>(at.query(call.in[0], b, h), workspace.query, at.step);
    const Masks masks{dropout, Starts(call, 2, b)};
    attend<Element>(at, workspace, masks, b, h, at.query(call.out[0], b, h),
                    logSumExp + head * at.T);
  }
}

void causalAttention(const Call& call) {
  dispatchElement({call.in[0], call.in[1]}, [&](auto words) { attendAll<decltype(words)>(call); });
}

const RegisterKernel registerKernel({.name = "TesseraCausalAttention",
                                     .inputs = {"query", "keyValue"},
                                     .outputs = {"y", "logSumExp"},
                                     .attributes = {"shape", "start", "size", "key", "scale",
                                                    "window", "rate"},
                                     .run = causalAttention,
                                     .fp32Outputs = {"logSumExp"},
                                     .optionalInputs = {"starts"}});

}  // namespace
}  // namespace tessera
