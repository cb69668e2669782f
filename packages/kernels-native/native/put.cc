// Writes into a slice of a tensor, in place.
#include "parallel.h"

namespace tessera {
namespace {

void put(const Call& call) {
  const View &part = call.in[1], &total = call.out[0];
  const auto start = static_cast<int64_t>(call.number("first"));
  if (start < 0 || start + part.size() > total.size())
    throw std::out_of_range("put: the part does not fit");
  eachChunk(part.size(), [&](int64_t first, int64_t count) {
    alignas(64) float scratch[kChunk];
    store(total, start + first, count, load(part, first, count, scratch));
  });
}

const RegisterKernel registerKernel(
    {"TesseraPut", {"whole", "part"}, {"total"}, {"first"}, put, {{"total", "whole"}}});

}  // namespace
}  // namespace tessera
