// See few_rows.h. Where b is transposed, a row of weights in memory belongs to an element of the
// result, else to one of a:
//
//   transposed:  y[n] = the sum over k of a[k] w[n][k]          threads share the rows
//   else:        y += a[k] w[k], in blocks of columns           threads share the columns
#include "few_rows.h"

#include "packed_words.h"
#include "parallel.h"

namespace tessera {
namespace {

/** Up to so many rows of a, memory is the bound; for plain fp32 weights, up to fewer. */
constexpr int64_t kFewRows = 8, kFewerRows = 4;
/** Rows of a for which weights are widened once. */
constexpr int kTogether = 4;
constexpr int kVectors = kInt8Block / kLanes;
/** Bytes of a cache line, and how far ahead a row of weights is fetched. */
constexpr int64_t kLineBytes = 64, kAhead = 1024;

inline Simd widenedVector(const float* from) { return *reinterpret_cast<const Simd*>(from); }

#if defined(__AVX512F__)
inline Simd widenedVector(const uint16_t* from) {
  const auto halves = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from));
  return reinterpret_cast<Simd>(_mm512_slli_epi32(_mm512_cvtepu16_epi32(halves), 16));
}
inline Simd widenedVector(const int8_t* from) {
  const auto bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(from));
  return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(bytes));
}
#elif defined(__AVX2__)
inline Simd widenedVector(const uint16_t* from) {
  const auto halves = _mm_loadu_si128(reinterpret_cast<const __m128i*>(from));
  return reinterpret_cast<Simd>(_mm256_slli_epi32(_mm256_cvtepu16_epi32(halves), 16));
}
inline Simd widenedVector(const int8_t* from) {
  const auto bytes = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(from));
  return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(bytes));
}
#else
inline Simd widenedVector(const uint16_t* from) {
  return Simd{fromBf16(from[0]), fromBf16(from[1]), fromBf16(from[2]), fromBf16(from[3])};
}
inline Simd widenedVector(const int8_t* from) {
  return Simd{static_cast<float>(from[0]), static_cast<float>(from[1]), static_cast<float>(from[2]),
              static_cast<float>(from[3])};
}
#endif

inline float total(Simd lanes) {
  float sum = 0;
  for (int i = 0; i < kLanes; ++i) sum += lanes[i];
  return sum;
}

/** The weights of a product as they are stored, and the scales of their blocks, or null. */
template <class Weight>
struct Weights {
  const Weight* data;
  const float* scales;
  int64_t width;

  const Weight* row(int64_t i) const { return data + i * width; }
  /** Of the block that has element `column` of row `i`. */
  float scale(int64_t i, int64_t column) const { return scales[(i * width + column) / kInt8Block]; }
};

/** y[r] = a[r] . w for R rows of a, `step` apart. */
template <class Weight, int R>
void dotRow(const Weights<Weight>& weights, int64_t n, const float* a, int64_t step, float* sums) {
  const Weight* row = weights.row(n);
  Simd all[R] = {};
  int64_t k = 0;
  for (; k + kInt8Block <= weights.width; k += kInt8Block) {
    for (int64_t line = 0; line < kInt8Block; line += kLineBytes / sizeof(Weight))
      __builtin_prefetch(row + k + kAhead / sizeof(Weight) + line);
    Simd block[R][2] = {};
#pragma GCC unroll 16
    for (int v = 0; v < kVectors; ++v) {
      const Simd w = widenedVector(row + k + v * kLanes);
      for (int r = 0; r < R; ++r)
        block[r][v % 2] += widenedVector(a + r * step + k + v * kLanes) * w;
    }
    const float scale = weights.scales == nullptr ? 1 : weights.scale(n, k);
    for (int r = 0; r < R; ++r) all[r] += (block[r][0] + block[r][1]) * scale;
  }
  for (int r = 0; r < R; ++r) {
    sums[r] = total(all[r]);
    for (int64_t i = k; i < weights.width; ++i) sums[r] += a[r * step + i] * widened(row[i]);
  }
}

/**
 * y[r][c] += the sum over the T rows from k on of a[r][k] w[k][c], for R rows of a and columns that
 * begin a block. Fetches the T rows of weights that come next.
 */
template <class Weight, int R, int T>
void addRows(const Weights<Weight>& weights, int64_t k, const float* a, int64_t K, Range columns,
             float* y, int64_t N) {
  const Weight* rows = weights.row(k);
  const int64_t step = weights.width;
  int64_t c = columns.first;
  for (; c + kInt8Block <= columns.last; c += kInt8Block) {
    float factors[R][T];
    for (int t = 0; t < T; ++t) {
      for (int64_t line = 0; line < kInt8Block; line += kLineBytes / sizeof(Weight))
        __builtin_prefetch(rows + (T + t) * step + c + line);
      const float scale = weights.scales == nullptr ? 1 : weights.scale(k + t, c);
      for (int r = 0; r < R; ++r) factors[r][t] = a[r * K + k + t] * scale;
    }
    for (int v = 0; v < kVectors; ++v) {
      Simd sums[R];
      for (int r = 0; r < R; ++r) sums[r] = widenedVector(y + r * N + c + v * kLanes);
#pragma GCC unroll 8
      for (int t = 0; t < T; ++t) {
        const Simd w = widenedVector(rows + t * step + c + v * kLanes);
        for (int r = 0; r < R; ++r) sums[r] += factors[r][t] * w;
      }
      for (int r = 0; r < R; ++r) *reinterpret_cast<Simd*>(y + r * N + c + v * kLanes) = sums[r];
    }
  }
  for (; c < columns.last; ++c) {
    for (int r = 0; r < R; ++r) {
      for (int t = 0; t < T; ++t) y[r * N + c] += a[r * K + k + t] * widened(rows[t * step + c]);
    }
  }
}

/** y = a w (+ bias). */
template <class Weight>
void multiplyColumns(const Product& p, const Weights<Weight>& weights) {
  const auto* a = static_cast<const float*>(p.a.data);
  auto* y = static_cast<float*>(p.out);
  const int64_t M = p.a.rows, K = p.a.columns, N = p.b.columns;
  eachRange((N + kInt8Block - 1) / kInt8Block, threadsFor(K * N), [&](int, Range blocks) {
    const Range columns = blocks.of(kInt8Block, N);
    for (int64_t m = 0; m < M; ++m) {
      for (int64_t c = columns.first; c < columns.last; ++c)
        y[m * N + c] = p.bias == nullptr ? 0 : p.bias[c];
    }
    int64_t k = 0;
    for (; k + 8 <= K; k += 8) {
      int64_t m = 0;
      for (; m + 2 <= M; m += 2) {
        addRows<Weight, 2, 4>(weights, k, a + m * K, K, columns, y + m * N, N);
        addRows<Weight, 2, 4>(weights, k + 4, a + m * K, K, columns, y + m * N, N);
      }
      if (m < M) addRows<Weight, 1, 8>(weights, k, a + m * K, K, columns, y + m * N, N);
    }
    for (; k < K; ++k) {
      for (int64_t m = 0; m < M; ++m)
        addRows<Weight, 1, 1>(weights, k, a + m * K, K, columns, y + m * N, N);
    }
  });
}

/** y = a w^T (+ bias). */
template <class Weight>
void multiplyTransposed(const Product& p, const Weights<Weight>& weights) {
  const auto* a = static_cast<const float*>(p.a.data);
  auto* y = static_cast<float*>(p.out);
  const int64_t M = p.a.rows, K = p.a.columns, N = p.b.columns;
  eachRange(N, threadsFor(K * N), [&](int, Range range) {
    for (int64_t n = range.first; n < range.last; ++n) {
      float sums[kFewRows];
      int64_t m = 0;
      for (; m + kTogether <= M; m += kTogether)
        dotRow<Weight, kTogether>(weights, n, a + m * K, K, sums + m);
      for (; m < M; ++m) dotRow<Weight, 1>(weights, n, a + m * K, K, sums + m);
      for (m = 0; m < M; ++m) y[m * N + n] = sums[m] + (p.bias == nullptr ? 0 : p.bias[n]);
    }
  });
}

template <class Weight>
void multiplyWeights(const Product& p, const Weights<Weight>& weights) {
  if (p.b.transposed) return multiplyTransposed(p, weights);
  multiplyColumns(p, weights);
}

/** Elements of a row of weights in memory. */
int64_t widthOf(const Matrix& b) { return b.transposed ? b.rows : b.columns; }

}  // namespace

bool hasFewRows(const Product& p) {
  const bool isStored = p.b.type == Type::f32 || p.b.type == Type::bf16 ||
                        (p.b.type == Type::i8 && widthOf(p.b) % kInt8Block == 0);
  const int64_t most = p.b.type == Type::f32 && !p.b.transposed ? kFewerRows : kFewRows;
  return p.a.rows <= most && p.a.columns > 0 && p.batch == 1 && p.a.type == Type::f32 &&
         !p.a.transposed && p.outType == Type::f32 && isStored;
}

void multiplyFewRows(const Product& p) {
  const int64_t width = widthOf(p.b);
  switch (p.b.type) {
    case Type::f32:
      return multiplyWeights<float>(p, {static_cast<const float*>(p.b.data), nullptr, width});
    case Type::bf16:
      return multiplyWeights<uint16_t>(p, {static_cast<const uint16_t*>(p.b.data), nullptr, width});
    default:
      const View view{const_cast<void*>(p.b.data), p.b.type, {p.b.rows * p.b.columns}};
      multiplyWeights<int8_t>(p, {static_cast<const int8_t*>(p.b.data), scalesOf(view), width});
  }
}

}  // namespace tessera
