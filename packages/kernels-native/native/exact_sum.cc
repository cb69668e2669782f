// Sums of squares that are exact, so that no order of adding changes their bits: windows of 40 bits
// of a double each, which hold many squares' bits exactly, go into whole numbers.
#include <cmath>
#include <cstring>

#include "elementwise.h"

namespace tessera {
namespace {

/** As in exact_sum.ts. */
constexpr int kBytes = 80, kUnit = -304;
/** Bits of a window, and their number. */
constexpr int kWidth = 40, kWindows = 8 * kBytes / kWidth;

constexpr int lowestBit(int window) { return kUnit + window * kWidth; }

/** A sum of squares, as a whole number in each window. */
class ExactSum {
 public:
  /** Adds the squares of up to kChunk elements. */
  void add(const float* x, int64_t count) {
    const float greatest = greatestOf(x, count);
    if (!std::isfinite(greatest)) finite_ = false;
    if (!finite_ || greatest == 0) return;
    double rest[kChunk];
#pragma omp simd
    for (int64_t i = 0; i < count; ++i) {
      const double wide = x[i];
      rest[i] = wide * wide;
    }
    int window = (2 * std::ilogb(greatest) + 1 - kUnit) / kWidth;
    while (!extract(rest, count, window)) --window;
  }

  void add(const ExactSum& other) {
    finite_ = finite_ && other.finite_;
    for (int w = 0; w < kWindows; ++w) windows_[w] += other.windows_[w];
  }

  void into(float* bytes) const {
    __int128 carry = 0;
    for (int i = 0; i < kBytes; ++i) {
      constexpr int kBytesPerWindow = kWidth / 8;
      if (i % kBytesPerWindow == 0) carry += windows_[i / kBytesPerWindow];
      bytes[i] = finite_ ? static_cast<float>(carry & 255) : NAN;
      carry >>= 8;
    }
  }

 private:
  /** The greatest magnitude, infinite where an element is not finite. */
  static float greatestOf(const float* x, int64_t count) {
    int32_t greatest = 0;
#pragma omp simd reduction(max : greatest)
    for (int64_t i = 0; i < count; ++i) {
      int32_t bits;
      std::memcpy(&bits, x + i, sizeof bits);
      greatest = std::max(greatest, bits & 0x7fffffff);
    }
    constexpr int32_t kInfinity = 0x7f800000;
    greatest = std::min(greatest, kInfinity);
    float value;
    std::memcpy(&value, &greatest, sizeof value);
    return value;
  }

  /** Moves the bits of `rest` from a window's lowest on to the window. Whether none remain. */
  bool extract(double* rest, int64_t count, int window) {
    // Adding and subtracting this rounds to the lowest bit of the window.
    const double rounder = std::ldexp(1.5, lowestBit(window) + 52);
    double sum = 0, left = 0;
#pragma omp simd reduction(+ : sum) reduction(max : left)
    for (int64_t i = 0; i < count; ++i) {
      const double high = (rest[i] + rounder) - rounder;
      rest[i] -= high;
      sum += high;
      left = std::max(left, std::abs(rest[i]));
    }
    windows_[window] += static_cast<int64_t>(std::ldexp(sum, -lowestBit(window)));
    return left == 0;
  }

  __int128 windows_[kWindows] = {};
  bool finite_ = true;
};

void sumOfSquares(const Call& call) {
  ExactSum total;
  for (const View& x : call.list(0)) {
    const int64_t chunks = (x.size() + kChunk - 1) / kChunk;
    const int threads = threadsFor(x.size());
    std::vector<ExactSum> sums(static_cast<size_t>(threads));
    eachRange(chunks, threads, [&](int thread, Range range) {
      alignas(64) float scratch[kChunk];
      for (int64_t chunk = range.first; chunk < range.last; ++chunk) {
        const int64_t first = chunk * kChunk, count = std::min(kChunk, x.size() - first);
        sums[static_cast<size_t>(thread)].add(load(x, first, count, scratch), count);
      }
    });
    for (const ExactSum& sum : sums) total.add(sum);
  }
  total.into(call.out[0].floats());
}

void roundSum(const Call& call) {
  const Floats bytes(call.in[0]);
  // Ranks have added bytes: what is above 255 goes to the next one.
  uint8_t whole[kBytes];
  uint64_t carry = 0;
  for (int i = 0; i < kBytes; ++i) {
    if (!std::isfinite(bytes[i])) {
      *call.out[0].floats() = NAN;
      return;
    }
    carry += static_cast<uint64_t>(bytes[i]);
    whole[i] = static_cast<uint8_t>(carry);
    carry >>= 8;
  }
  int top = kBytes - 1;
  while (top > 7 && whole[top] == 0) --top;
  uint64_t leading = 0;
  for (int i = 0; i < 8; ++i) leading = leading << 8 | whole[top - i];
  *call.out[0].floats() =
      static_cast<float>(std::ldexp(static_cast<double>(leading), 8 * (top - 7) + kUnit));
}

const RegisterKernel registerSquares({.name = "TesseraSumOfSquares",
                                      .outputs = {"total"},
                                      .run = sumOfSquares,
                                      .fp32Outputs = {"total"},
                                      .lists = {"xs"}});
const RegisterKernel registerRound(
    {"TesseraRoundSum", {"sum"}, {"total"}, {}, roundSum, {}, {"total"}});

}  // namespace
}  // namespace tessera
