// Rows of a table by token id, and their gradient.
#include <cstring>

#include "elementwise.h"
#include "sums.h"

namespace tessera {
namespace {

int64_t checked(int32_t id, int64_t rows) {
  if (id < 0 || id >= rows) {
    throw std::out_of_range("embed: id " + std::to_string(id) + ", must be 0 to " + std::to_string(rows - 1));
  }
  return id;
}

void embed(const Call& call) {
  const View &table = call.in[0], &ids = call.in[1], &y = call.out[0];
  const int64_t bytes = table.extent(1) * bytesPer(table.type), count = ids.size();
  const int32_t* id = ids.ints();
  for (int64_t i = 0; i < count; ++i) checked(id[i], table.extent(0));
  eachRow(count, table.extent(1), [&](int64_t i) {
    std::memcpy(static_cast<char*>(y.data) + i * bytes, static_cast<const char*>(table.data) + id[i] * bytes,
                bytes);
  });
}

/** Adds the rows of dy to those of `sums` [rows, C] that their ids name, in the order of the rows. */
void scatter(const View& ids, const View& dy, float* sums, int64_t rows, int64_t C) {
  const int64_t count = ids.size();
  const int32_t* id = ids.ints();
  for (int64_t i = 0; i < count; ++i) checked(id[i], rows);
  // Threads share the columns, not the rows: none ever meets another's element.
  const int threads = threadsFor(count * C);
  eachPart(C, threads, [&](int, Part part) {
    const int64_t width = part.last - part.first;
    float* scratch = threadRows(width);
    for (int64_t i = 0; i < count; ++i) {
      const float* from = load(dy, i * C + part.first, width, scratch);
      float* to = sums + id[i] * C + part.first;
#pragma omp simd
      for (int64_t c = 0; c < width; ++c) to[c] += from[c];
    }
  });
}

/** The gradient of a table [rows, C], in `sums`, which need not be cleared. */
void tableGradient(const View& ids, const View& dy, float* sums, int64_t rows, int64_t C) {
  eachStretch(rows * C, [&](int64_t first, int64_t count) { std::fill_n(sums + first, count, 0.0f); });
  scatter(ids, dy, sums, rows, C);
}

void embedGradient(const Call& call) {
  const View& dTable = call.out[0];
  tableGradient(call.in[0], call.in[1], dTable.floats(), dTable.extent(0), dTable.extent(1));
}

float plus(float a, float b) { return a + b; }

void addEmbedGradient(const Call& call) {
  const View &ids = call.in[1], &dy = call.in[2], &total = call.out[0];
  const int64_t rows = total.extent(0), C = total.extent(1);
  if (total.type == Type::f32) return scatter(ids, dy, total.floats(), rows, C);
  const Scratch<float> summand(call.pool, rows * C);
  tableGradient(ids, dy, summand.data(), rows, C);
  mapElements(total, {summand.data(), Type::f32, total.shape}, total, plus);
}

const RegisterKernel registerKernel({"TesseraEmbed", {"table", "ids"}, {"y"}, {}, embed});
const RegisterKernel registerGradient({"TesseraEmbedGradient", {"ids", "dy"}, {"dTable"}, {"rows"}, embedGradient, {},
                             {"dTable"}});
const RegisterKernel registerAdd({"TesseraAddEmbedGradient", {"sum", "ids", "dy"}, {"total"}, {}, addEmbedGradient,
                        {{"total", "sum"}}});

}  // namespace
}  // namespace tessera
