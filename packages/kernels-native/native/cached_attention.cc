// Causal attention of new tokens to a KV cache: B batch, T new tokens, H query heads, G KV heads, D
// head size, C capacity of the cache. Bound by memory: each key is read once, in order.
#include <cmath>
#include <limits>

#include "fast_math.h"
#include "sums.h"

namespace tessera {
namespace {

/** Queries per pass over the keys. */
constexpr int64_t kQueries = 4;

struct Cache {
  int64_t B, T, H, G, D, C, window, firstRow;
  const std::vector<double>& lengths;

  explicit Cache(const Call& call)
      : B(call.in[0].extent(0)),
        T(call.in[0].extent(1)),
        H(call.in[0].extent(2)),
        G(call.in[1].extent(3)),
        D(call.in[0].extent(3)),
        C(call.out[2].extent(3)),
        window(call.count("window")),
        firstRow(static_cast<int64_t>(call.number("firstRow"))),
        lengths(call.numbers("lengths")) {
    if (firstRow < 0 || firstRow + B > call.out[2].extent(0) ||
        static_cast<int64_t>(lengths.size()) != B) {
      throw std::out_of_range("cachedAttention: the cache lacks a row");
    }
    for (const double length : lengths) {
      if (length < 0 || (static_cast<int64_t>(length) + T > C && window > C))
        throw std::out_of_range("cachedAttention: a row is full");
    }
  }

  /** New tokens that are written at once: see `tokensAtOnce`. */
  int64_t atOnce() const { return window > C ? T : std::min(T, C - window + 1); }
  int64_t length(int64_t b) const { return static_cast<int64_t>(lengths[b]); }
  /** Offset of the keys (half 0) or values (half 1) of a head. */
  int64_t head(int64_t b, int64_t half, int64_t g) const {
    return (((firstRow + b) * 2 + half) * G + g) * C * D;
  }
};

/** Writes the keys and values of new tokens to the cache: position p is at place p modulo its capacity. */
void extend(const Cache& at, Range tokens, const View& keyValue, const View& cache) {
  const int64_t count = tokens.size();
  eachRow(at.B * count * 2 * at.G, at.D, [&](int64_t row) {
    const int64_t g = row % at.G, half = row / at.G % 2, t = tokens.first + row / at.G / 2 % count,
                  b = row / at.G / 2 / count;
    const float* from =
        load(keyValue, (((b * at.T + t) * 2 + half) * at.G + g) * at.D, at.D, threadRows(at.D));
    store(cache, at.head(b, half, g) + (at.length(b) + t) % at.C * at.D, at.D, from);
  });
}

/** Of one thread. */
struct Workspace {
  float *queries, *sums, *scores, *scratch;
  static int64_t size(const Cache& at) { return kQueries * (2 * at.D + at.C) + at.D; }
  Workspace(float* memory, const Cache& at)
      : queries(memory),
        sums(queries + kQueries * at.D),
        scores(sums + kQueries * at.D),
        scratch(scores + kQueries * at.C) {}
};

/** Keys or values of one head in the cache, of the positions from `from` on. */
struct Held {
  const View& cache;
  int64_t head, from;

  const float* row(const Cache& at, int64_t s, float* scratch) const {
    const int64_t place = from % at.C + s;
    return load(cache, head + (place < at.C ? place : place - at.C) * at.D, at.D, scratch);
  }
};

/** scores[r][s] = q[r] . k[s] for s below `keys`. */
template <int R>
void score(const Workspace& workspace, const Held& held, int64_t keys, const Cache& at) {
  for (int64_t s = 0; s < keys; ++s) {
    const float* key = held.row(at, s, workspace.scratch);
    for (int r = 0; r < R; ++r) {
      const float* query = workspace.queries + r * at.D;
      float sum = 0;
#pragma omp simd reduction(+ : sum)
      for (int64_t d = 0; d < at.D; ++d) sum += query[d] * key[d];
      workspace.scores[r * at.C + s] = sum;
    }
  }
}

/** sums[r] = the sum over s of scores[r][s] v[s]. */
template <int R>
void gather(const Workspace& workspace, const Held& held, int64_t keys, const Cache& at) {
  std::memset(workspace.sums, 0, R * at.D * sizeof(float));
  for (int64_t s = 0; s < keys; ++s) {
    const float* value = held.row(at, s, workspace.scratch);
    for (int r = 0; r < R; ++r) {
      const float weight = workspace.scores[r * at.C + s];
      float* sum = workspace.sums + r * at.D;
#pragma omp simd
      for (int64_t d = 0; d < at.D; ++d) sum[d] += weight * value[d];
    }
  }
}

/** Scores -> exponentials, zeros outside of those that are seen. Returns the row max and the sum. */
std::pair<float, float> exponentials(float* scores, Range seen, int64_t keys) {
  float rowMax = -std::numeric_limits<float>::infinity(), total = 0;
#pragma omp simd reduction(max : rowMax)
  for (int64_t s = seen.first; s < seen.last; ++s) rowMax = scores[s] > rowMax ? scores[s] : rowMax;
#pragma omp simd reduction(+ : total)
  for (int64_t s = seen.first; s < seen.last; ++s) {
    scores[s] = fastExp(scores[s] - rowMax);
    total += scores[s];
  }
  std::fill(scores, scores + seen.first, 0.0f);
  std::fill(scores + seen.last, scores + keys, 0.0f);
  return {rowMax, total};
}

/** Queries t to t + R of one head. */
template <int R>
void attend(const Call& call, const Cache& at, const Workspace& workspace, int64_t head,
            int64_t t) {
  const int64_t b = head / at.H, h = head % at.H, g = h / (at.H / at.G);
  const auto scale = static_cast<float>(call.number("scale"));
  const View &query = call.in[0], &y = call.out[0], &cache = call.out[2];
  float* logSumExp = call.out[1].floats() + head * at.T;
  const auto offset = [&](int64_t r) { return ((b * at.T + t + r) * at.H + h) * at.D; };
  for (int r = 0; r < R; ++r) {
    const float* from = load(query, offset(r), at.D, workspace.scratch);
    for (int64_t d = 0; d < at.D; ++d) workspace.queries[r * at.D + d] = from[d] * scale;
  }
  const int64_t own = at.length(b) + t;  // the first query's position
  const int64_t from = at.window > own ? 0 : own - at.window + 1, keys = own + R - from;
  score<R>(workspace, {cache, at.head(b, 0, g), from}, keys, at);
  float factors[R];
  for (int r = 0; r < R; ++r) {
    const int64_t first = at.window > own + r ? 0 : own + r - at.window + 1 - from;
    const auto [rowMax, total] =
        exponentials(workspace.scores + r * at.C, Range(first, keys - R + r + 1), keys);
    logSumExp[t + r] = rowMax + std::log(total);
    factors[r] = 1 / total;
  }
  gather<R>(workspace, {cache, at.head(b, 1, g), from}, keys, at);
  for (int r = 0; r < R; ++r) {
    float* sum = workspace.sums + r * at.D;
    for (int64_t d = 0; d < at.D; ++d) sum[d] *= factors[r];
    store(y, offset(r), at.D, sum);
  }
}

/** Queries of all heads. */
void attendAll(const Call& call, const Cache& at, Range tokens, float* memory) {
  const int64_t size = Workspace::size(at);
  const int64_t blocks = (tokens.size() + kQueries - 1) / kQueries;
  // Later queries attend to more keys, so a static schedule would be unbalanced.
#pragma omp parallel for schedule(dynamic, 1)
  for (int64_t unit = 0; unit < at.B * at.H * blocks; ++unit) {
    const Workspace workspace(memory + omp_get_thread_num() * size, at);
    const int64_t head = unit / blocks, t = tokens.first + unit % blocks * kQueries;
    if (tokens.last - t >= kQueries) {
      attend<kQueries>(call, at, workspace, head, t);
    } else {
      for (int64_t last = t; last < tokens.last; ++last) attend<1>(call, at, workspace, head, last);
    }
  }
}

void cachedAttention(const Call& call) {
  const Cache at(call);
  const Scratch<float> memory(call.pool, omp_get_max_threads() * Workspace::size(at));
  for (int64_t first = 0; first < at.T; first += at.atOnce()) {
    const Range tokens(first, std::min(first + at.atOnce(), at.T));
    extend(at, tokens, call.in[1], call.out[2]);
    attendAll(call, at, tokens, memory.data());
  }
}

const RegisterKernel registerKernel({"TesseraCachedAttention",
                                     {"query", "keyValue", "cache"},
                                     {"y", "logSumExp", "extended"},
                                     {"scale", "window", "firstRow", "lengths"},
                                     cachedAttention,
                                     {{"extended", "cache"}},
                                     {"logSumExp"}});

}  // namespace
}  // namespace tessera
