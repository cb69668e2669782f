// Rotary position embedding: x [B, T, H, D], element d pairs with d + D / 2.
#include <cmath>

#include "sums.h"

namespace tessera {
namespace {

/** The angles of all positions, as cosines and sines [T, half]. */
void fillTables(const Call& call, int64_t T, int64_t half, float* cosines, float* sines) {
  const double base = call.number("base"), start = call.number("start");
  const double sign = call.flag("inverse") ? -1 : 1;
  eachRow(T, half, [&](int64_t t) {
    for (int64_t i = 0; i < half; ++i) {
      const double angle = (start + static_cast<double>(t)) / std::pow(base, static_cast<double>(i) / half);
      cosines[t * half + i] = static_cast<float>(std::cos(angle));
      sines[t * half + i] = static_cast<float>(sign * std::sin(angle));
    }
  });
}

void rotary(const Call& call) {
  const View &x = call.in[0], &y = call.out[0];
  const int64_t T = x.extent(1), H = x.extent(2), D = x.extent(3), half = D / 2;
  const Scratch<float> tables(call.pool, 2 * T * half);
  fillTables(call, T, half, tables.data(), tables.data() + T * half);
  eachRow(x.rows(), D, [&](int64_t row) {
    float* scratch = threadRows(2 * D);
    const float* from = load(x, row * D, D, scratch);
    float* to = target(y, row * D, scratch + D);
    const float* cosine = tables.data() + row / H % T * half;
    const float* sine = cosine + T * half;
#pragma omp simd
    for (int64_t i = 0; i < half; ++i) {
      const float a = from[i], b = from[half + i];
      to[i] = a * cosine[i] - b * sine[i];
      to[half + i] = a * sine[i] + b * cosine[i];
    }
    store(y, row * D, D, to);
  });
}

const Define define({"TesseraRotary", {"x"}, {"y"}, {"base", "start", "inverse"}, rotary});

}  // namespace
}  // namespace tessera
