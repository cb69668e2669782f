// Functions that vectorize: no tables, no branches, no calls. Relative error about 1e-7.
#pragma once

#include <bit>
#include <cstdint>

namespace tessera {

/** e^x. Below -86.6 it is 0, above 88.7 infinity; NaN stays NaN. */
inline float fastExp(float x) {
  constexpr float kLow = -86.6f, kHigh = 88.722839f;
  const float clamped = x < kLow ? kLow : (x > kHigh ? kHigh : x);
  // x = n ln 2 + r with |r| <= ln 2 / 2; adding 1.5 2^23 rounds to a whole number.
  constexpr float kRounder = 12582912.0f;
  const float n = (clamped * 1.44269504f + kRounder) - kRounder;
  const float r = (clamped - n * 0.693359375f) + n * 2.12194440e-4f;
  float p = 1.9875691500e-4f;
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * r * r + r + 1.0f;
  // Two factors, so that neither leaves the range of exponents.
  const int32_t whole = static_cast<int32_t>(n);
  const float half = std::bit_cast<float>((whole + 126) << 23);
  const float y = p * half * 2.0f;
  return x < kLow ? 0.0f : (x > kHigh ? __builtin_inff() : y);
}

/** 1 / (1 + e^-x). */
inline float fastSigmoid(float x) { return 1.0f / (1.0f + fastExp(-x)); }

/** The complementary error function, by the Chebyshev fit of Numerical Recipes (6.2, erfcc). */
inline float fastErfc(float x) {
  const float z = x < 0 ? -x : x;
  const float t = 1.0f / (1.0f + 0.5f * z);
  float p = 0.17087277f;
  p = p * t - 0.82215223f;
  p = p * t + 1.48851587f;
  p = p * t - 1.13520398f;
  p = p * t + 0.27886807f;
  p = p * t - 0.18628806f;
  p = p * t + 0.09678418f;
  p = p * t + 0.37409196f;
  p = p * t + 1.00002368f;
  p = p * t - 1.26551223f;
  const float tail = t * fastExp(p - z * z);
  return x < 0 ? 2.0f - tail : tail;
}

}  // namespace tessera
