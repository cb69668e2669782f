// The gradient of causal attention, in tiles. With p the probabilities, m the dropout mask and
// delta = sum(dy y) per query:
//   dp = m (dy v^T), ds = p (dp - delta), dv = (m p)^T dy, dk = ds^T q, dq = ds k; all of q, k
//   times scale.
#include "attention_heads.h"
#include "attention_masks.h"
#include "fast_math.h"
#include "sums.h"

namespace tessera {
namespace {

/** One head's packed rows, as left and as right operand of products. */
struct Operands {
  float *rows, *paired;
};

/** Of one thread. */
struct Workspace {
  Operands query, key, dy;
  float *keyT, *valueT, *dQuery, *dKey, *dValue, *delta;
  static int64_t size(const Heads& at) { return 11 * at.stride() + padded(at.time, kLanes); }
  Workspace(float* memory, const Heads& at) {
    float** const parts[] = {&query.rows, &query.paired, &key.rows, &key.paired,
                             &dy.rows,    &dy.paired,    &keyT,     &valueT,
                             &dQuery,     &dKey,         &dValue,   &delta};
    for (size_t i = 0; i < std::size(parts); ++i)
      *parts[i] = memory + static_cast<int64_t>(i) * at.stride();
  }
};

template <class Element>
void packOperands(const Heads& at, const HeadRows& rows, Operands& sides) {
  pack<Element>(rows, sides.rows, at.step);
  sides.paired = pairRows<Element>(at, sides.rows, sides.paired);
}

/** An element of each of `kTileRows` rows. */
typedef float Rows __attribute__((vector_size(kTileRows * sizeof(float))));

/**
 * delta[t] = the sum of dy y over the row; 0 past the end. Summed in the order of dp, so that the
 * two cancel exactly where a query attends to a single key.
 */
template <class Element>
void rowProducts(const HeadRows& y, const HeadRows& dy, const Heads& at, float* delta) {
  std::fill_n(delta, at.time, 0.0f);
  float* scratch = threadRows(2 * kTileRows * at.depth);
  std::fill_n(scratch, 2 * kTileRows * at.depth, 0.0f);
  for (int64_t t = 0; t < at.T; t += kTileRows) {
    const float *left[kTileRows], *right[kTileRows];
    for (int64_t r = 0; r < kTileRows; ++r) {
      float* workspace = scratch + 2 * r * at.depth;
      left[r] = y.row(std::min(t + r, at.T - 1), workspace);
      right[r] = dy.row(std::min(t + r, at.T - 1), workspace + at.depth);
    }
    Rows sums{};
    for (int64_t d = 0; d < padded(at.D, Element::kElements); ++d) {
      const int64_t inOrder = d ^ (Element::kElements - 1);
      Rows ofLeft, ofRight;
      for (int64_t r = 0; r < kTileRows; ++r) {
        ofLeft[r] = left[r][inOrder];
        ofRight[r] = right[r][inOrder];
      }
      sums += ofLeft * ofRight;
    }
    for (int64_t r = 0; r < std::min(kTileRows, at.T - t); ++r) delta[t + r] = sums[r];
  }
}

/** scores, dp -> p (after dropout), ds for one tile. Queries past the end give zeros. */
void scoreGradient(const Heads& at, float* scores, float* dp, const float* mask,
                   const float* logSumExp, const float* delta, int64_t t) {
  const float scale = at.scale;
  for (int64_t r = 0; r < at.rowsFrom(t); ++r) {
    float *score = scores + r * kTileStep, *slope = dp + r * kTileStep;
    const float* kept = mask + r * kTileStep;
    const float past = t + r < at.T ? logSumExp[t + r] : kInfinity, along = delta[t + r];
#pragma omp simd
    for (int64_t c = 0; c < kTile; ++c) {
      const float p = fastExp(score[c] * scale - past);
      slope[c] = p * (slope[c] * kept[c] - along);
      score[c] = p * kept[c];
    }
  }
}

/** Accumulates one query head's dKey and dValue, and computes its dQuery. */
template <class Element>
void attendGradient(const Heads& at, const Workspace& workspace, const Masks& masks, int64_t b,
                    int64_t h, const float* logSumExp) {
  alignas(64) float scores[kTile * kTileStep], dp[kTile * kTileStep], mask[kTile * kTileStep];
  Left<Element> left;
  const int64_t depth = at.depth, step = at.step;
  std::fill_n(mask, kTile * kTileStep, 1.0f);
  std::fill_n(workspace.dQuery, at.elements(), 0.0f);
  for (int64_t s = 0; s < at.T; s += kTile) {
    const int64_t keys = at.rowsFrom(s);
    const Packed key = pairedFrom<Element>(at, workspace.key.paired, s);
    const Packed dKey{workspace.dKey + s * step, step}, dValue{workspace.dValue + s * step, step};
    for (int64_t t = s; t < at.T && !masks.starts.past(t, s); t += kTile) {
      const bool diagonal = s == t;
      const int64_t rows = at.rowsFrom(t);
      const Zeros above = diagonal ? Zeros::leftAbove : Zeros::none;
      const Zeros below = diagonal ? Zeros::leftBelow : Zeros::none;
      scoreTile<Element>(at, workspace.query.rows + t * step, workspace.keyT + at.tileAt(s), rows,
                         diagonal, scores);
      masks.starts.hide(t, s, scores);
      std::memset(dp, 0, sizeof(dp));
      addProduct<Element>({workspace.dy.rows + t * step, step, 1},
                          {workspace.valueT + at.tileAt(s), kTileStep}, {dp, kTileStep}, rows,
                          kTile, depth, diagonal ? Zeros::resultAbove : Zeros::none);
      if (masks.dropout.active()) masks.dropout.mask(b, h, t, s, mask);
      scoreGradient(at, scores, dp, mask, logSumExp, workspace.delta, t);
      addProduct<Element>(left.overRows(scores), pairedFrom<Element>(at, workspace.dy.paired, t),
                          dValue, keys, depth, rows, below);
      addProduct<Element>(left.overRows(dp), pairedFrom<Element>(at, workspace.query.paired, t),
                          dKey, keys, depth, rows, below);
      addProduct<Element>(left.overColumns(dp), key, {workspace.dQuery + t * step, step}, rows,
                          depth, kTile, above);
    }
  }
}

template <class Element>
void attendAllGradient(const Call& call) {
  const Heads at(call);
  const ProbabilityDropout dropout(call);
  const View &query = call.in[0], &keyValue = call.in[1], &y = call.in[2], &dy = call.in[4];
  const Floats logSumExp(call.in[3]);
  const int64_t size = Workspace::size(at), shared = at.H / at.G;
  const Scratch<float> memory(call.pool, omp_get_max_threads() * size);
#pragma omp parallel for schedule(static)
  for (int64_t unit = 0; unit < at.B * at.G; ++unit) {
    Workspace workspace(memory.data() + omp_get_thread_num() * size, at);
    const int64_t b = unit / at.G, g = unit % at.G;
    pack<Element>(at.value(keyValue, b, g), workspace.key.rows, at.step);
    transposeTiles<Element>(at, workspace.key.rows, workspace.valueT);
    packOperands<Element>(at, at.key(keyValue, b, g), workspace.key);
    transposeTiles<Element>(at, workspace.key.rows, workspace.keyT);
    std::fill_n(workspace.dKey, at.elements(), 0.0f);
    std::fill_n(workspace.dValue, at.elements(), 0.0f);
    const Masks masks{dropout, Starts(call, 5, b)};
    for (int64_t h = g * shared; h < (g + 1) * shared; ++h) {
      packOperands<Element>(at, at.query(query, b, h), workspace.query);
      packOperands<Element>(at, at.query(dy, b, h), workspace.dy);
      rowProducts<Element>(at.query(y, b, h), at.query(dy, b, h), at, workspace.delta);
      attendGradient<Element>(at, workspace, masks, b, h, logSumExp.data() + (b * at.H + h) * at.T);
      unpack(workspace.dQuery, at.step, at.scale, at.query(call.out[0], b, h));
    }
    unpack(workspace.dKey, at.step, at.scale, at.key(call.out[1], b, g));
    unpack(workspace.dValue, at.step, 1, at.value(call.out[1], b, g));
  }
}

void causalAttentionGradient(const Call& call) {
  dispatchElement({call.in[0], call.in[1], call.in[4]},
                  [&](auto words) { attendAllGradient<decltype(words)>(call); });
}

const RegisterKernel registerKernel({.name = "TesseraCausalAttentionGradient",
                                     .inputs = {"query", "keyValue", "y", "logSumExp", "dy"},
                                     .outputs = {"dQuery", "dKeyValue"},
                                     .attributes = {"shape", "start", "size", "key", "scale",
                                                    "window", "rate"},
                                     .run = causalAttentionGradient,
                                     .optionalInputs = {"starts"}});

}  // namespace
}  // namespace tessera
