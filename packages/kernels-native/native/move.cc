// Operations that move elements and compute nothing: transpose, slice, gather, concat, fill.
#include <cstring>

#include "sums.h"

namespace tessera {
namespace {

std::vector<int64_t> stepsOf(const Shape& shape) {
  std::vector<int64_t> steps(shape.size(), 1);
  for (size_t dim = shape.size(); dim-- > 1;) steps[dim - 1] = steps[dim] * shape[dim];
  return steps;
}

/** y's element at (i0, i1, ...) is x's at first + i0 steps[0] + i1 steps[1] + ... */
template <typename T>
void strided(const T* x, int64_t first, const std::vector<int64_t>& steps, T* y,
             const Shape& shape) {
  const size_t rank = shape.size();
  const int64_t inner = rank == 0 ? 1 : shape.back(), step = rank == 0 ? 1 : steps.back();
  int64_t runs = 1;
  for (size_t dim = 0; dim + 1 < rank; ++dim) runs *= shape[dim];
  eachRow(runs, inner, [&](int64_t run) {
    int64_t from = first;
    int64_t rest = run;
    for (size_t dim = rank < 2 ? 0 : rank - 1; dim-- > 0;) {
      from += rest % shape[dim] * steps[dim];
      rest /= shape[dim];
    }
    T* to = y + run * inner;
    if (step == 1) {
      std::memcpy(to, x + from, inner * sizeof(T));
    } else {
      for (int64_t i = 0; i < inner; ++i) to[i] = x[from + i * step];
    }
  });
}

void strided(const View& x, int64_t first, const std::vector<int64_t>& steps, const View& y) {
  if (y.size() == 0) return;
  switch (bytesPer(x.type)) {
    case 4:
      return strided(static_cast<const uint32_t*>(x.data), first, steps,
                     static_cast<uint32_t*>(y.data), y.shape);
    case 2:
      return strided(static_cast<const uint16_t*>(x.data), first, steps,
                     static_cast<uint16_t*>(y.data), y.shape);
    default:
      return strided(static_cast<const uint8_t*>(x.data), first, steps,
                     static_cast<uint8_t*>(y.data), y.shape);
  }
}

void transpose(const Call& call) {
  const auto allSteps = stepsOf(call.in[0].shape);
  std::vector<int64_t> steps;
  for (const double dim : call.numbers("perm"))
    steps.push_back(allSteps.at(static_cast<size_t>(dim)));
  strided(call.in[0], 0, steps, call.out[0]);
}

void slice(const Call& call) {
  const auto steps = stepsOf(call.in[0].shape);
  const auto& begin = call.numbers("begin");
  int64_t first = 0;
  for (size_t dim = 0; dim < steps.size(); ++dim)
    first += static_cast<int64_t>(begin.at(dim)) * steps[dim];
  strided(call.in[0], first, steps, call.out[0]);
}

/** x [outer, extent, inner] and indices [count] give y [outer, count, inner]. */
void gather(const Call& call) {
  const View &x = call.in[0], &indices = call.in[1], &y = call.out[0];
  const int64_t outer = x.extent(0), extent = x.extent(1), count = indices.size();
  const int64_t bytes = x.extent(2) * bytesPer(x.type);
  const int32_t* index = indices.ints();
  for (int64_t i = 0; i < count; ++i) {
    if (index[i] < 0 || index[i] >= extent) {
      throw std::out_of_range("GatherV2: the index value " + std::to_string(index[i]) +
                              " is not in [0, " + std::to_string(extent - 1) + "]");
    }
  }
  eachRow(outer * count, bytes, [&](int64_t row) {
    const int64_t from = row / count * extent + index[row % count];
    std::memcpy(static_cast<char*>(y.data) + row * bytes,
                static_cast<const char*>(x.data) + from * bytes, bytes);
  });
}

/** y [outer, sum of inner] = the rows of xs [outer, inner], concatenated. */
void concat(const Call& call) {
  const View& y = call.out[0];
  int64_t column = 0;
  for (const View& x : call.list(0)) {
    const int64_t inner = x.extent(1);
    eachRow(x.extent(0), inner, [&](int64_t row) {
      const int64_t to = row * y.extent(1) + column;
      if (x.type == y.type) {
        std::memcpy(const_cast<char*>(at(y, to)), at(x, row * inner), inner * bytesPer(x.type));
      } else {
        store(y, to, inner, load(x, row * inner, inner, threadRows(inner)));
      }
    });
    column += inner;
  }
}

void fill(const Call& call) {
  const View& y = call.out[0];
  const auto value = static_cast<float>(call.number("value"));
  eachChunk(y.size(), [&](int64_t first, int64_t count) {
    alignas(64) float scratch[kChunk];
    float* to = target(y, first, scratch);
    std::fill_n(to, count, value);
    store(y, first, count, to);
  });
}

const RegisterKernel registerTranspose({"Transpose", {"x"}, {"y"}, {"perm"}, transpose});
const RegisterKernel registerSlice({"Slice", {"x"}, {"y"}, {"begin"}, slice});
const RegisterKernel registerGather({"GatherV2", {"x", "indices"}, {"y"}, {}, gather});
const RegisterKernel registerConcat(
    {.name = "Concat", .outputs = {"y"}, .run = concat, .lists = {"xs"}});
const RegisterKernel registerFill({"Fill", {}, {"y"}, {"value"}, fill});

}  // namespace
}  // namespace tessera
