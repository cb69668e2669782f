// How whoever makes progress waits when there is none.
#pragma once

#include <algorithm>
#include <chrono>
#include <utility>

namespace tessera {

/**
 * Most answers come at once, so the first rounds without progress follow each other. Then come
 * naps; where ranks outnumber processors they grow, as ranks that look for answers take the time
 * of those that compute them.
 */
class Backoff {
 public:
  using Nap = std::chrono::microseconds;

  explicit Backoff(bool isCrowded)
      : spins_(isCrowded ? 20 : 500), longest_(isCrowded ? Nap(1000) : kShortest) {}

  /** How long to nap after a round: 0 if its followers are to begin at once. */
  Nap after(bool moved) {
    if (moved) idle_ = 0;
    if (moved || ++idle_ <= spins_) {
      nap_ = kShortest;
      return Nap(0);
    }
    return std::exchange(nap_, std::min(2 * nap_, longest_));
  }

 private:
  static constexpr Nap kShortest{20};

  int spins_;
  Nap longest_;
  int idle_ = 0;
  Nap nap_ = kShortest;
};

}  // namespace tessera
