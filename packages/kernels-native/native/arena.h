// An arena for large blocks: one reserved range of addresses, whose free holes are split and
// coalesced. Free lists by size would not do: the memory of a step's activations serves its
// gradients, which have other sizes, only if adjacent blocks can be coalesced and split.
//
//   base_                      end_        open_              reserved_
//   | block | hole | block | block | usable  | reserved only   |
#pragma once

#include <cstddef>
#include <map>
#include <set>
#include <utility>

namespace tessera {

class Arena {
 public:
  /** Reserves addresses, not memory; fewer where the system limits them. */
  explicit Arena(size_t addresses);
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;
  ~Arena();

  /** `bytes`, a multiple of `kPage`: the smallest hole that fits, else at the end. Null if full. */
  void* take(size_t bytes);
  void give(void* data, size_t bytes);
  /** Returns the memory of all holes to the system. */
  void trim();
  /** Bytes of all holes. */
  size_t free() const { return free_; }

  /** Block sizes are multiples of this. */
  static constexpr size_t kPage = size_t{1} << 16;

 private:
  using Hole = std::pair<const size_t, size_t>;  // offset, bytes

  void* extend(size_t bytes);
  void addHole(size_t offset, size_t bytes);
  void removeHole(const Hole& hole);

  char* base_ = nullptr;
  size_t reserved_ = 0;
  /** The end of the last block; everything before it is block or hole. */
  size_t end_ = 0;
  /** The end of the memory that may be touched. */
  size_t open_ = 0;
  size_t free_ = 0;
  std::map<size_t, size_t> holes_;              // offset to bytes
  std::set<std::pair<size_t, size_t>> bySize_;  // bytes, offset
};

}  // namespace tessera
