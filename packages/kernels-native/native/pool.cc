// See pool.h.
#include "pool.h"

#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <stdexcept>
#include <string>

namespace tessera {

namespace {

constexpr size_t kAlignment = 64;
/** From this size on, blocks are in the arena. */
constexpr size_t kLarge = size_t{1} << 20;

#if defined(__SANITIZE_ADDRESS__)
/** Exact sizes that are never reused: AddressSanitizer then sees every wrong access. */
constexpr bool kReuse = false;
#else
constexpr bool kReuse = true;
#endif

bool isLarge(size_t bytes) { return kReuse && bytes >= kLarge; }

size_t roundedUp(size_t bytes, size_t step) { return (bytes + step - 1) / step * step; }

/** Small blocks come in eight classes per power of two, large ones in whole pages. */
size_t blockSize(size_t bytes) {
  if (!kReuse) return std::max<size_t>(bytes, 1);
  if (isLarge(bytes)) return roundedUp(bytes, Arena::kPage);
  const size_t least = std::max(bytes, kAlignment);
  return roundedUp(least, std::max(std::bit_floor(least) / 8, kAlignment));
}

size_t physicalBytes() {
  return static_cast<size_t>(sysconf(_SC_PHYS_PAGES)) * static_cast<size_t>(sysconf(_SC_PAGE_SIZE));
}

}  // namespace

// Twice as many addresses as memory, because of fragmentation.
Pool::Pool() : arena_(2 * physicalBytes()) {}

Pool::~Pool() { trim(); }

Figures Pool::figures() const { return {allocated_, peak_, freeSmall_ + arena_.free()}; }

void* Pool::find(size_t bytes) {
  if (isLarge(bytes)) return arena_.take(bytes);
  const auto kept = free_.find(bytes);
  if (kept == free_.end() || kept->second.empty()) {
    void* data = nullptr;
    return posix_memalign(&data, kAlignment, bytes) == 0 ? data : nullptr;
  }
  void* data = kept->second.back();
  kept->second.pop_back();
  freeSmall_ -= bytes;
  return data;
}

Block Pool::take(size_t asked) {
  const size_t bytes = blockSize(asked);
  // The system overcommits, and kills the process that touches too much: refuse before.
  if (figures().pooled + allocated_ + bytes > physicalBytes()) trim();
  void* data = allocated_ + bytes <= physicalBytes() ? find(bytes) : nullptr;
  if (data == nullptr) {
    throw std::runtime_error("out of memory: " + std::to_string(asked) + " bytes asked for, " +
                             std::to_string(allocated_) + " bytes held of " +
                             std::to_string(physicalBytes()) + " on this machine");
  }
  allocated_ += bytes;
  peak_ = std::max(peak_, allocated_);
  return {data, bytes};
}

void Pool::give(Block block) {
  allocated_ -= block.bytes;
  if (isLarge(block.bytes)) return arena_.give(block.data, block.bytes);
  if (!kReuse) return std::free(block.data);
  freeSmall_ += block.bytes;
  free_[block.bytes].push_back(block.data);
}

void Pool::trim() {
  for (auto& [bytes, blocks] : free_) {
    for (void* data : blocks) std::free(data);
    blocks.clear();
  }
  freeSmall_ = 0;
  arena_.trim();
}

}  // namespace tessera
