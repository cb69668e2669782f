// Causal attention of new tokens to a cache of keys and values: B batch, T new tokens, H query heads, G
// key heads, D depth, C the cache's capacity. What counts is that each key is read once, in order.
#include <cmath>
#include <limits>

#include "fast_math.h"
#include "sums.h"

namespace tessera {
namespace {

/** Queries that go through the keys together. */
constexpr int64_t kQueries = 4;

struct Cache {
  int64_t B, T, H, G, D, C, firstRow;
  const std::vector<double>& lengths;

  explicit Cache(const Call& call)
      : B(call.in[0].extent(0)),
        T(call.in[0].extent(1)),
        H(call.in[0].extent(2)),
        G(call.in[1].extent(3)),
        D(call.in[0].extent(3)),
        C(call.out[2].extent(3)),
        firstRow(static_cast<int64_t>(call.number("firstRow"))),
        lengths(call.numbers("lengths")) {
    if (firstRow < 0 || firstRow + B > call.out[2].extent(0) || static_cast<int64_t>(lengths.size()) != B) {
      throw std::out_of_range("cachedAttention: the cache lacks a row");
    }
    for (const double length : lengths) {
      if (length < 0 || static_cast<int64_t>(length) + T > C) throw std::out_of_range("cachedAttention: a row is full");
    }
  }

  int64_t length(int64_t b) const { return static_cast<int64_t>(lengths[b]); }
  /** Where the keys (half 0) or values (half 1) of a head begin. */
  int64_t head(int64_t b, int64_t half, int64_t g) const { return (((firstRow + b) * 2 + half) * G + g) * C * D; }
};

/** Puts the new keys and values behind the old ones. */
void extend(const Cache& at, const View& keyValue, const View& cache) {
  eachRow(at.B * at.T * 2 * at.G, at.D, [&](int64_t row) {
    const int64_t g = row % at.G, half = row / at.G % 2, t = row / at.G / 2 % at.T, b = row / at.G / 2 / at.T;
    const float* from = load(keyValue, row * at.D, at.D, threadRows(at.D));
    store(cache, at.head(b, half, g) + (at.length(b) + t) * at.D, at.D, from);
  });
}

/** What one thread computes with. */
struct Space {
  float *queries, *sums, *scores, *scratch;
  static int64_t size(const Cache& at) { return kQueries * (2 * at.D + at.C) + at.D; }
  Space(float* memory, const Cache& at)
      : queries(memory),
        sums(queries + kQueries * at.D),
        scores(sums + kQueries * at.D),
        scratch(scores + kQueries * at.C) {}
};

/** scores[r][s] = q[r] . k[s] for s below `keys`. */
template <int R>
void score(const Space& space, const View& cache, int64_t first, int64_t keys, const Cache& at) {
  for (int64_t s = 0; s < keys; ++s) {
    const float* key = load(cache, first + s * at.D, at.D, space.scratch);
    for (int r = 0; r < R; ++r) {
      const float* query = space.queries + r * at.D;
      float sum = 0;
#pragma omp simd reduction(+ : sum)
      for (int64_t d = 0; d < at.D; ++d) sum += query[d] * key[d];
      space.scores[r * at.C + s] = sum;
    }
  }
}

/** sums[r] = the sum over s of scores[r][s] v[s]. */
template <int R>
void gather(const Space& space, const View& cache, int64_t first, int64_t keys, const Cache& at) {
  std::memset(space.sums, 0, R * at.D * sizeof(float));
  for (int64_t s = 0; s < keys; ++s) {
    const float* value = load(cache, first + s * at.D, at.D, space.scratch);
    for (int r = 0; r < R; ++r) {
      const float weight = space.scores[r * at.C + s];
      float* sum = space.sums + r * at.D;
#pragma omp simd
      for (int64_t d = 0; d < at.D; ++d) sum[d] += weight * value[d];
    }
  }
}

/** Scores to their exponentials, zeros from `seen` to `keys`; gives the largest score and their sum. */
std::pair<float, float> exponentials(float* scores, int64_t seen, int64_t keys) {
  float most = -std::numeric_limits<float>::infinity(), total = 0;
#pragma omp simd reduction(max : most)
  for (int64_t s = 0; s < seen; ++s) most = scores[s] > most ? scores[s] : most;
#pragma omp simd reduction(+ : total)
  for (int64_t s = 0; s < seen; ++s) {
    scores[s] = fastExp(scores[s] - most);
    total += scores[s];
  }
  std::fill(scores + seen, scores + keys, 0.0f);
  return {most, total};
}

/** Queries t to t + R of one head. */
template <int R>
void attend(const Call& call, const Cache& at, const Space& space, int64_t head, int64_t t) {
  const int64_t b = head / at.H, h = head % at.H, g = h / (at.H / at.G);
  const auto scale = static_cast<float>(call.number("scale"));
  const View &query = call.in[0], &y = call.out[0], &cache = call.out[2];
  float* logSumExp = call.out[1].floats() + head * at.T;
  const auto place = [&](int64_t r) { return ((b * at.T + t + r) * at.H + h) * at.D; };
  for (int r = 0; r < R; ++r) {
    const float* from = load(query, place(r), at.D, space.scratch);
    for (int64_t d = 0; d < at.D; ++d) space.queries[r * at.D + d] = from[d] * scale;
  }
  const int64_t keys = at.length(b) + t + R;
  score<R>(space, cache, at.head(b, 0, g), keys, at);
  float factors[R];
  for (int r = 0; r < R; ++r) {
    const auto [most, total] = exponentials(space.scores + r * at.C, keys - R + r + 1, keys);
    logSumExp[t + r] = most + std::log(total);
    factors[r] = 1 / total;
  }
  gather<R>(space, cache, at.head(b, 1, g), keys, at);
  for (int r = 0; r < R; ++r) {
    float* sum = space.sums + r * at.D;
    for (int64_t d = 0; d < at.D; ++d) sum[d] *= factors[r];
    store(y, place(r), at.D, sum);
  }
}

void cachedAttention(const Call& call) {
  const Cache at(call);
  extend(at, call.in[1], call.out[2]);
  const int64_t size = Space::size(at);
  const Scratch<float> memory(call.pool, omp_get_max_threads() * size);
  const int64_t blocks = (at.T + kQueries - 1) / kQueries;
  // Later queries see more keys, so parts of equal number would not be of equal work.
#pragma omp parallel for schedule(dynamic, 1)
  for (int64_t unit = 0; unit < at.B * at.H * blocks; ++unit) {
    const Space space(memory.data() + omp_get_thread_num() * size, at);
    const int64_t head = unit / blocks, t = unit % blocks * kQueries;
    if (at.T - t >= kQueries) {
      attend<kQueries>(call, at, space, head, t);
    } else {
      for (int64_t last = t; last < at.T; ++last) attend<1>(call, at, space, head, last);
    }
  }
}

const RegisterKernel registerKernel({"TesseraCachedAttention",
                     {"query", "keyValue", "cache"},
                     {"y", "logSumExp", "extended"},
                     {"scale", "firstRow", "lengths"},
                     cachedAttention,
                     {{"extended", "cache"}},
                     {"logSumExp"}});

}  // namespace
}  // namespace tessera
