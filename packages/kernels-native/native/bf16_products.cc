// See bf16_products.h.
#include "bf16_products.h"

#include <algorithm>
#include <atomic>
#include <chrono>

#include "elements.h"
#include "matmul.h"

namespace tessera {
namespace {

std::atomic<bool> inPairs = hasBf16Pairs();

/** A product of tokens with the weights of a layer of 124M parameters. */
constexpr int64_t kTokens = 256, kWidth = 768;
/** Timed calls. Others on the machine can only slow one down, so that the fastest counts. */
constexpr int kCalls = 4;

double fastestRate(const Product& product, bool pairs, Pool& pool) {
  using Clock = std::chrono::steady_clock;
  useBf16Pairs(pairs);
  multiply(product, pool);  // compiles it
  double seconds = INFINITY;
  for (int call = 0; call < kCalls; ++call) {
    const auto start = Clock::now();
    multiply(product, pool);
    seconds = std::min(seconds, std::chrono::duration<double>(Clock::now() - start).count());
  }
  return 2.0 * kTokens * kWidth * kWidth / seconds;
}

}  // namespace

bool hasBf16Pairs() {
#if defined(__AVX512F__)
  return kHasBf16;
#else
  return false;
#endif
}

bool usesBf16Pairs() { return inPairs.load(std::memory_order_relaxed); }

void useBf16Pairs(bool pairs) { inPairs.store(pairs, std::memory_order_relaxed); }

Bf16Rates measureBf16Rates(Pool& pool) {
  const Scratch<uint16_t> x(pool, kTokens * kWidth), weight(pool, kWidth * kWidth),
      y(pool, kTokens * kWidth);
  std::fill_n(x.data(), kTokens * kWidth, toBf16(1));
  std::fill_n(weight.data(), kWidth * kWidth, toBf16(1));
  const Product product{{x.data(), Type::bf16, kTokens, kWidth},
                        {weight.data(), Type::bf16, kWidth, kWidth},
                        y.data(),
                        Type::bf16};
  const bool before = usesBf16Pairs();
  const Bf16Rates rates{hasBf16Pairs() ? fastestRate(product, true, pool) : 0,
                        fastestRate(product, false, pool)};
  useBf16Pairs(before);
  return rates;
}

}  // namespace tessera
