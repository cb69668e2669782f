// Rotary position embedding, in place: pairs of the first elements of the first heads of x [B, T,
// H, D].
#include <cmath>

#include "sums.h"

namespace tessera {
namespace {

/** The cosines and sines of all positions [starts, T, half]. */
void fillTables(const Call& call, int64_t T, float* cosines, float* sines) {
  const double magnitude = call.number("magnitude"), sign = call.flag("inverse") ? -1 : 1;
  const auto &starts = call.numbers("starts"), &frequencies = call.numbers("frequencies");
  const auto half = static_cast<int64_t>(frequencies.size());
  eachRow(static_cast<int64_t>(starts.size()) * T, half, [&](int64_t row) {
    const double position = starts[row / T] + static_cast<double>(row % T);
    for (int64_t i = 0; i < half; ++i) {
      const double angle = position * frequencies[i];
      cosines[row * half + i] = static_cast<float>(magnitude * std::cos(angle));
      sines[row * half + i] = static_cast<float>(sign * magnitude * std::sin(angle));
    }
  });
}

/** Element d turns with d + half. */
struct Halves {
  static int64_t first(int64_t i, int64_t) { return i; }
  static int64_t second(int64_t i, int64_t half) { return half + i; }
};

/** Element 2 d turns with 2 d + 1. */
struct Neighbours {
  static int64_t first(int64_t i, int64_t) { return 2 * i; }
  static int64_t second(int64_t i, int64_t) { return 2 * i + 1; }
};

template <typename Bf16Pairs>
void turn(float* values, const float* cosine, const float* sine, int64_t half) {
#pragma omp simd
  for (int64_t i = 0; i < half; ++i) {
    const int64_t first = Bf16Pairs::first(i, half), second = Bf16Pairs::second(i, half);
    const float a = values[first], b = values[second];
    values[first] = a * cosine[i] - b * sine[i];
    values[second] = a * sine[i] + b * cosine[i];
  }
}

void rotary(const Call& call) {
  const View& y = call.out[0];
  const int64_t T = y.extent(1), H = y.extent(2), D = y.extent(3);
  const auto half = static_cast<int64_t>(call.numbers("frequencies").size()),
             heads = static_cast<int64_t>(call.number("heads"));
  const int64_t dims = 2 * half;
  const auto pairs = call.text("pairs") == "halves" ? turn<Halves> : turn<Neighbours>;
  const auto starts = static_cast<int64_t>(call.numbers("starts").size());
  if (starts != 1 && starts != y.extent(0))
    throw std::invalid_argument("rotary: rows and starts differ in number");
  const int64_t size = starts * T * half;
  const Scratch<float> tables(call.pool, 2 * size);
  fillTables(call, T, tables.data(), tables.data() + size);
  eachRow(y.extent(0) * T, H * D, [&](int64_t token) {
    const float* cosine = tables.data() + token % (starts * T) * half;
    for (int64_t head = 0; head < heads; ++head) {
      const int64_t first = (token * H + head) * D;
      float* values = const_cast<float*>(load(y, first, dims, threadRows(dims)));
      pairs(values, cosine, cosine + size, half);
      store(y, first, dims, values);
    }
  });
}

const RegisterKernel registerKernel({"TesseraRotary",
                                     {"x"},
                                     {"y"},
                                     {"frequencies", "magnitude", "pairs", "heads", "starts",
                                      "inverse"},
                                     rotary,
                                     {{"y", "x"}}});

}  // namespace
}  // namespace tessera
