// Rows of a table by token id, and their gradient.
#include <algorithm>
#include <cstring>
#include <vector>

#include "elementwise.h"
#include "sums.h"

namespace tessera {
namespace {

/** Which rows of the vocabulary a table has. */
struct VocabularyShard {
  int64_t first, rows, vocabulary;

  VocabularyShard(const Call& call, int64_t rows)
      : first(static_cast<int64_t>(call.number("firstToken"))),
        rows(rows),
        vocabulary(static_cast<int64_t>(call.number("vocabulary"))) {}

  /** Throws where an id is not of the vocabulary. */
  void check(const View& ids) const {
    const int32_t* id = ids.ints();
    for (int64_t i = 0; i < ids.size(); ++i) {
      if (id[i] >= 0 && id[i] < vocabulary) continue;
      throw std::out_of_range("embed: id " + std::to_string(id[i]) + ", must be 0 to " +
                              std::to_string(vocabulary - 1));
    }
  }
  /** The row of an id, or -1 where another rank has it. */
  int64_t row(int32_t id) const { return id >= first && id < first + rows ? id - first : -1; }
};

void embed(const Call& call) {
  const View &table = call.in[0], &ids = call.in[1], &y = call.out[0];
  const int64_t C = table.extent(1);
  const VocabularyShard shard(call, table.extent(0));
  shard.check(ids);
  const int32_t* id = ids.ints();
  eachRow(ids.size(), C, [&](int64_t i) {
    float* to = y.floats() + i * C;
    const int64_t row = shard.row(id[i]);
    if (row < 0) {
      std::fill_n(to, C, 0.0f);
    } else {
      store(y, i * C, C, load(table, row * C, C, to));
    }
  });
}

/**
 * Adds the rows of dy to those of `sums` [rows, C] that their ids name. Rows of one id are summed
 * first: a microbatch's gradient is added whole, as it is when it comes from another rank.
 */
void scatter(const View& ids, const View& dy, float* sums, const VocabularyShard& shard,
             int64_t C) {
  const int64_t count = ids.size();
  const int32_t* id = ids.ints();
  shard.check(ids);
  std::vector<int64_t> order;
  for (int64_t i = 0; i < count; ++i) {
    if (shard.row(id[i]) >= 0) order.push_back(i);
  }
  std::stable_sort(order.begin(), order.end(),
                   [id](int64_t a, int64_t b) { return id[a] < id[b]; });
  // Each thread has some columns of all rows: none ever meets another's element.
  eachRange(C, threadsFor(count * C), [&](int, Range range) {
    const int64_t width = range.last - range.first;
    float *total = threadRows(2 * width), *scratch = total + width;
    for (size_t next = 0; next < order.size();) {
      const int32_t own = id[order[next]];
      std::fill_n(total, width, 0.0f);
      for (; next < order.size() && id[order[next]] == own; ++next) {
        const float* from = load(dy, order[next] * C + range.first, width, scratch);
#pragma omp simd
        for (int64_t c = 0; c < width; ++c) total[c] += from[c];
      }
      float* to = sums + shard.row(own) * C + range.first;
#pragma omp simd
      for (int64_t c = 0; c < width; ++c) to[c] += total[c];
    }
  });
}

/** The gradient of a table [rows, C], in `sums`, which need not be cleared. */
void tableGradient(const View& ids, const View& dy, float* sums, const VocabularyShard& shard,
                   int64_t C) {
  eachChunk(shard.rows * C,
            [&](int64_t first, int64_t count) { std::fill_n(sums + first, count, 0.0f); });
  scatter(ids, dy, sums, shard, C);
}

void embedGradient(const Call& call) {
  const View& dTable = call.out[0];
  const VocabularyShard shard(call, dTable.extent(0));
  tableGradient(call.in[0], call.in[1], dTable.floats(), shard, dTable.extent(1));
}

float plus(float a, float b) { return a + b; }

void addEmbedGradient(const Call& call) {
  const View &ids = call.in[1], &dy = call.in[2], &total = call.out[0];
  const VocabularyShard shard(call, total.extent(0));
  const int64_t C = total.extent(1);
  if (total.type == Type::f32) return scatter(ids, dy, total.floats(), shard, C);
  const Scratch<float> summand(call.pool, shard.rows * C);
  tableGradient(ids, dy, summand.data(), shard, C);
  mapElements(total, {summand.data(), Type::f32, total.shape}, total, plus);
}

const RegisterKernel registerKernel(
    {"TesseraEmbed", {"table", "ids"}, {"y"}, {"firstToken", "vocabulary"}, embed, {}, {"y"}});
const RegisterKernel registerGradient({.name = "TesseraEmbedGradient",
                                       .inputs = {"ids", "dy"},
                                       .outputs = {"dTable"},
                                       .attributes = {"rows", "firstToken", "vocabulary"},
                                       .run = embedGradient,
                                       .fp32Outputs = {"dTable"}});
const RegisterKernel registerAdd({.name = "TesseraAddEmbedGradient",
                                  .inputs = {"sum", "ids", "dy"},
                                  .outputs = {"total"},
                                  .attributes = {"firstToken", "vocabulary"},
                                  .run = addEmbedGradient,
                                  .inPlace = {{"total", "sum"}}});

}  // namespace
}  // namespace tessera
