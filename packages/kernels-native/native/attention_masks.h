// The masks of causal attention's tiles: dropout, and earlier documents of a packed sequence.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>

#include "attention_tiles.h"
#include "kernel.h"
#include "philox.h"

namespace tessera {

/** Attention dropout: a function of (key, global position). */
class ProbabilityDropout {
 public:
  explicit ProbabilityDropout(const Call& call) {
    const double rate = call.number("rate");
    if (rate == 0) return;
    slice_.emplace(call);
    bound_ = wordBound(rate);
    keep_ = static_cast<float>(1 / (1 - rate));
  }
  bool active() const { return slice_.has_value(); }

  /** Rows of mask [kTile, kTileStep] of those queries that are there from t, and keys from s: 0 or 1 / (1 - rate). */
  void mask(int64_t b, int64_t h, int64_t t, int64_t s, float* mask) const {
    const auto& shape = slice_->shape;
    const auto& start = slice_->start;
    for (int64_t r = 0; r < std::min(kTile, slice_->size[2] - t); ++r) {
      alignas(64) uint32_t workspace[wordsCapacity(kTile)];
      const int64_t row = ((b + start[0]) * shape[1] + h + start[1]) * shape[2] + t + r + start[2];
      const auto first = static_cast<uint64_t>(row * shape[3] + s + start[3]);
      const uint32_t* words = philoxWords(slice_->key, first, kTile, workspace);
#pragma omp simd
      for (int64_t c = 0; c < kTile; ++c)
        mask[r * kTileStep + c] = words[c] < bound_ ? 0.0f : keep_;
    }
  }

 private:
  std::optional<RandomSlice> slice_;
  uint64_t bound_ = 0;
  float keep_ = 1;
};

/**
 * The first key position that each query position of one row attends to, of its document and of its window. It never
 * decreases, so a tile of keys that is masked for a tile of queries is masked for all later ones.
 */
class Starts {
 public:
  /** `starts`: the call's input [batch, time], which it may lack. */
  Starts(const Call& call, size_t starts, int64_t b)
      : documents_(call.has(starts) ? call.in[starts].ints() + b * call.in[0].extent(1) : nullptr),
        time_(call.in[0].extent(1)),
        window_(call.count("window")) {}

  /** The first tile that some query from t attends to. */
  int64_t firstTile(int64_t t) const { return startOf(t) / kTile * kTile; }
  /** Whether all keys of the tile from s are masked for queries from t. */
  bool past(int64_t t, int64_t s) const { return startOf(t) >= s + kTile; }

  /** Masks scores of queries from t and keys from s: small enough to vanish in the softmax. */
  void hide(int64_t t, int64_t s, float* scores) const {
    if (documents_ == nullptr && window_ >= time_) return;
    for (int64_t r = 0; r < std::min(kTile, time_ - t); ++r) {
      const int64_t hidden = std::min(kTile, startOf(t + r) - s);
      // Not -infinity: a row may be fully masked in this tile, and -infinity minus itself is NaN.
      if (hidden > 0) std::fill_n(scores + r * kTileStep, hidden, -1e30f);
    }
  }

 private:
  int64_t startOf(int64_t t) const {
    const int64_t first = std::max<int64_t>(t + 1 - window_, 0);
    return documents_ == nullptr ? first : std::max<int64_t>(documents_[t], first);
  }

  const int32_t* documents_;
  int64_t time_, window_;
};

/** All masks of one head. */
struct Masks {
  const ProbabilityDropout& dropout;
  Starts starts;
};

}  // namespace tessera
