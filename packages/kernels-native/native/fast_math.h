// Functions that vectorize: no tables, no branches, no calls. Relative error about 1e-7.
#pragma once

#include <bit>
#include <cstdint>

namespace tessera {

/** e^x. Below -87 it is 0, above 88.7 infinity; NaN stays NaN. */
inline float fastExp(float x) {
  constexpr float kLow = -87.3f, kHigh = 89.0f;
  const float above = x < kLow ? kLow : x;
  const float clamped = above > kHigh ? kHigh : above;
  // x = n ln 2 + r with |r| <= ln 2 / 2; adding 1.5 2^23 rounds to a whole number, in the last
  // bits.
  constexpr float kRounder = 12582912.0f;
  const float rounded = clamped * 1.44269504f + kRounder;
  const float n = rounded - kRounder;
  const float r = (clamped - n * 0.693359375f) + n * 2.12194440e-4f;
  // 2 e^r, so that 2^(n - 1) stays in the range of exponents; it is 0 at the low end.
  float p = 3.9751383000e-4f;
  p = p * r + 2.7963999014e-3f;
  p = p * r + 1.6666906382e-2f;
  p = p * r + 8.3331591788e-2f;
  p = p * r + 3.3333330918e-1f;
  p = p * r + 1.0000000240f;
  p = p * r + 2.0f;
  p = p * r + 2.0f;
  return p * std::bit_cast<float>((std::bit_cast<uint32_t>(rounded) + 126) << 23);
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
