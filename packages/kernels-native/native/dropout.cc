// Random tensors and dropout as functions of (key, global index). See philox.h.
#include <cmath>
#include <numbers>

#include "parallel.h"
#include "philox.h"

namespace tessera {

namespace {

std::vector<int64_t> extents(const std::vector<double>& numbers) {
  return {numbers.begin(), numbers.end()};
}

/** A word as a number in (0, 1), in double precision as JavaScript computes it. */
double toUnit(uint32_t word) { return (word + 0.5) / 4294967296.0; }

}  // namespace

RandomSlice::RandomSlice(const Call& call)
    : key{static_cast<uint32_t>(call.numbers("key").at(0)),
          static_cast<uint32_t>(call.numbers("key").at(1))},
      shape(extents(call.numbers("shape"))),
      start(extents(call.numbers("start"))),
      size(extents(call.numbers("size"))) {
  // Trailing dimensions that are taken in full merge into one run with the one before them.
  inner_ = shape.size();
  int64_t width = 1;
  while (inner_ > 0 && length == width) {
    --inner_;
    length *= size[inner_];
    width *= shape[inner_];
  }
  for (size_t dim = 0; dim < inner_; ++dim) count *= size[dim];
}

uint64_t RandomSlice::first(int64_t n) const {
  std::vector<int64_t> position(start);
  for (size_t dim = inner_; dim-- > 0;) {
    position[dim] += n % size[dim];
    n /= size[dim];
  }
  uint64_t index = 0;
  for (size_t dim = 0; dim < shape.size(); ++dim) {
    index = index * static_cast<uint64_t>(shape[dim]) + static_cast<uint64_t>(position[dim]);
  }
  return index;
}

uint64_t wordBound(double rate) {
  uint64_t low = 0, high = uint64_t{1} << 32;
  while (low < high) {
    const uint64_t middle = (low + high) / 2;
    if (static_cast<double>(static_cast<float>(toUnit(static_cast<uint32_t>(middle)))) < rate) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

namespace {

/**
 * Calls body(words, lane, at, count) for chunks of the slice: their words, and their offset in the
 * slice.
 */
template <typename Body>
void eachSampled(const RandomSlice& slice, Body body) {
  const int64_t chunks = (slice.length + kChunk - 1) / kChunk;
#pragma omp parallel for schedule(static) if (slice.count * slice.length >= kMinParallelSize)
  for (int64_t chunk = 0; chunk < slice.count * chunks; ++chunk) {
    alignas(64) uint32_t workspace[wordsCapacity(kChunk + 4)];
    const int64_t run = chunk / chunks, from = chunk % chunks * kChunk;
    const int64_t count = std::min(kChunk, slice.length - from);
    const uint64_t first = slice.first(run) + static_cast<uint64_t>(from);
    // Full blocks, because a normal needs both words of its pair.
    const uint32_t* words = philoxWords(slice.key, first / 4 * 4, count + 4, workspace);
    body(words, first % 4, run * slice.length + from, count);
  }
}

/** Pairs of words give pairs of normals, by the Box-Muller transform. */
void randomNormal(const Call& call) {
  const View& y = call.out[0];
  const double mean = call.number("mean"), std = call.number("std");
  eachSampled(RandomSlice(call),
              [&](const uint32_t* words, int64_t lane, int64_t at, int64_t count) {
                alignas(64) float scratch[kChunk];
                float* to = target(y, at, scratch);
                const auto scaled = [&](double normal) {
                  return static_cast<float>(static_cast<float>(normal) * std + mean);
                };
                for (int64_t i = 0; i < count;) {
                  const int64_t pair = (lane + i) / 2 * 2;
                  const double radius = std::sqrt(-2 * std::log(toUnit(words[pair])));
                  const double angle = 2 * std::numbers::pi * toUnit(words[pair + 1]);
                  if (lane + i == pair) to[i++] = scaled(radius * std::cos(angle));
                  if (i < count) to[i++] = scaled(radius * std::sin(angle));
                }
                store(y, at, count, to);
              });
}

void dropout(const Call& call) {
  const View &x = call.in[0], &y = call.out[0];
  const double rate = call.number("rate");
  const uint64_t bound = wordBound(rate);
  const auto keep = static_cast<float>(1 / (1 - rate));
  eachSampled(RandomSlice(call),
              [&](const uint32_t* words, int64_t lane, int64_t at, int64_t count) {
                alignas(64) float scratchX[kChunk], scratchY[kChunk];
                const float* from = load(x, at, count, scratchX);
                float* to = target(y, at, scratchY);
#pragma omp simd
                for (int64_t i = 0; i < count; ++i)
                  to[i] = words[lane + i] < bound ? 0.0f * from[i] : keep * from[i];
                store(y, at, count, to);
              });
}

const RegisterKernel registerNormal({"TesseraRandomNormal",
                                     {},
                                     {"y"},
                                     {"shape", "start", "size", "key", "mean", "std"},
                                     randomNormal,
                                     {},
                                     {"y"}});
const RegisterKernel registerKernel(
    {"TesseraDropout", {"x"}, {"y"}, {"shape", "start", "size", "key", "rate"}, dropout});

}  // namespace
}  // namespace tessera
