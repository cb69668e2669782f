// See limits.h. Each loop has more sums than an instruction takes cycles, so that none is waited for.
#include "limits.h"

#include <algorithm>
#include <chrono>
#include <cstring>

#include "packed_words.h"
#include "parallel.h"

namespace tessera {
namespace {

using Clock = std::chrono::steady_clock;

/** How long a loop runs: several times what a processor needs to raise its clock. */
constexpr double kSeconds = 0.01;
constexpr int kSums = 12, kRounds = 1000;

double secondsSince(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

/** Calls `loop` on all threads for a while. Returns how often a second it was called on all. */
template <typename Loop>
double callsPerSecond(Loop loop) {
  double total = 0;
#pragma omp parallel reduction(+ : total)
  {
    loop();
#pragma omp barrier
    const auto start = Clock::now();
    int64_t calls = 0;
    double seconds = 0;
    while (seconds < kSeconds) {
      loop();
      ++calls;
      seconds = secondsSince(start);
    }
    total += static_cast<double>(calls) / seconds;
  }
  return total;
}

void multiplyAdds() {
  Simd sums[kSums] = {}, a = {}, b = {};
  asm volatile("" : "+x"(a), "+x"(b));
  for (int round = 0; round < kRounds; ++round) {
#pragma GCC unroll 12
    for (int i = 0; i < kSums; ++i) {
      sums[i] += a * b;
      asm volatile("" : "+x"(sums[i]));
    }
  }
}

double bf16Rate() {
#if defined(__AVX512F__)
  const auto loop = []() __attribute__((target("avx512bf16"))) {
    __m512 sums[kSums] = {}, a = {}, b = {};
    asm volatile("" : "+x"(a), "+x"(b));
    for (int round = 0; round < kRounds; ++round) {
#pragma GCC unroll 12
      for (int i = 0; i < kSums; ++i) {
        sums[i] =
            _mm512_dpbf16_ps(sums[i], reinterpret_cast<__m512bh>(a), reinterpret_cast<__m512bh>(b));
        asm volatile("" : "+x"(sums[i]));
      }
    }
  };
  constexpr double kOperations = 4.0 * 16 * kSums * kRounds;
  if (kHasBf16) return kOperations * callsPerSecond(loop);
#endif
  return 0;
}

/** Bytes that all threads read a second of memory that no cache holds. */
double bandwidth(Pool& pool) {
  constexpr int64_t kBytes = int64_t{1} << 28;
  const Scratch<char> memory(pool, kBytes);
  const int threads = omp_get_max_threads();
  double best = 0;
  for (int pass = 0; pass < 3; ++pass) {
    const auto start = Clock::now();
    eachRange(kBytes / 64, threads, [&](int, Range range) {
      char* first = memory.data() + range.first * 64;
      if (pass == 0) {
        std::memset(first, 0, static_cast<size_t>(range.size() * 64));
        return;
      }
      Simd sums[4] = {};
      const auto* from = reinterpret_cast<const float*>(first);
      for (int64_t i = 0; i + 4 * kLanes <= range.size() * 16; i += 4 * kLanes) {
        for (int v = 0; v < 4; ++v) {
          sums[v] += *reinterpret_cast<const Simd*>(from + i + v * kLanes);
        }
      }
      for (Simd& sum : sums) asm volatile("" : "+x"(sum));
    });
    if (pass > 0) best = std::max(best, kBytes / secondsSince(start));
  }
  return best;
}

}  // namespace

Limits measureLimits(Pool& pool) {
  constexpr double kOperations = 2.0 * kLanes * kSums * kRounds;
  return {kOperations * callsPerSecond(multiplyAdds), bf16Rate(), bandwidth(pool)};
}

}  // namespace tessera
