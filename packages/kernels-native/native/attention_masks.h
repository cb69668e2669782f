// What causal attention leaves out of its tiles: probabilities that are dropped, and documents before
// a position's own.
#pragma once

#include <cstdint>
#include <optional>

#include "attention_tiles.h"
#include "kernel.h"
#include "philox.h"

namespace tessera {

/** The dropout of probabilities: a function of (key, global position). */
class ProbabilityDropout {
 public:
  explicit ProbabilityDropout(const Call& call) {
    const double rate = call.number("rate");
    if (rate == 0) return;
    draw_.emplace(call);
    bound_ = wordBound(rate);
    keep_ = static_cast<float>(1 / (1 - rate));
  }
  bool active() const { return draw_.has_value(); }

  /** mask [kTile, kTileStep] of queries from t and keys from s: 0 or 1 / (1 - rate). */
  void mask(int64_t b, int64_t h, int64_t t, int64_t s, float* mask) const {
    const auto& whole = draw_->whole;
    const auto& start = draw_->start;
    for (int64_t r = 0; r < kTile; ++r) {
      alignas(64) uint32_t room[wordsRoom(kTile)];
      const int64_t row = ((b + start[0]) * whole[1] + h + start[1]) * whole[2] + t + r + start[2];
      const auto first = static_cast<uint64_t>(row * whole[3] + s + start[3]);
      const uint32_t* words = philoxWords(draw_->key, first, kTile, room);
#pragma omp simd
      for (int64_t c = 0; c < kTile; ++c) mask[r * kTileStep + c] = words[c] < bound_ ? 0.0f : keep_;
    }
  }

 private:
  std::optional<Draw> draw_;
  uint64_t bound_ = 0;
  float keep_ = 1;
};

/**
 * The first position that each position of one row sees, where its documents are apart. The starts
 * never fall, so whole tiles of keys are out of sight of a tile of queries and of all later ones.
 */
class Starts {
 public:
  /** Sees everything. */
  Starts() = default;
  Starts(const View& starts, int64_t b)
      : starts_(starts.ints() + b * starts.extent(1)), time_(starts.extent(1)) {}

  /** The first tile that some query from t sees. */
  int64_t firstTile(int64_t t) const { return starts_ == nullptr ? 0 : starts_[t] / kTile * kTile; }
  /** Whether queries from t see none of the keys of the tile from s. */
  bool past(int64_t t, int64_t s) const { return starts_ != nullptr && starts_[t] >= s + kTile; }

  /** Makes scores of queries from t and keys from s small enough to vanish where they are not seen. */
  void hide(int64_t t, int64_t s, float* scores) const {
    if (starts_ == nullptr) return;
    for (int64_t r = 0; r < std::min(kTile, time_ - t); ++r) {
      const int64_t hidden = std::min(kTile, starts_[t + r] - s);
      // Not infinity: a row may have nothing else in this tile, and infinities have no difference.
      if (hidden > 0) std::fill_n(scores + r * kTileStep, hidden, -1e30f);
    }
  }

 private:
  const int32_t* starts_ = nullptr;
  int64_t time_ = 0;
};

/** What is left out of one head's probabilities. */
struct Masks {
  const ProbabilityDropout& dropout;
  Starts starts;
};

}  // namespace tessera
