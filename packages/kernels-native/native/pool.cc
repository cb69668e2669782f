// See pool.h.
#include "pool.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <stdexcept>
#include <string>

namespace tessera {

namespace {

constexpr size_t kAlignment = 64;
/** From this size on, blocks are mapped on their own, in large pages where the system has them. */
constexpr size_t kMapped = size_t{1} << 21;

/** Eight classes per power of two: at most an eighth of a block is unused. */
size_t sizeClass(size_t bytes) {
  const size_t least = std::max(bytes, kAlignment);
  const size_t step = std::max(std::bit_floor(least) / 8, kAlignment);
  return (least + step - 1) / step * step;
}

size_t physicalBytes() {
  return static_cast<size_t>(sysconf(_SC_PHYS_PAGES)) * static_cast<size_t>(sysconf(_SC_PAGE_SIZE));
}

void* fromSystem(size_t bytes) {
  if (bytes < kMapped) return std::aligned_alloc(kAlignment, bytes);
  void* data = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (data == MAP_FAILED) return nullptr;
#ifdef MADV_HUGEPAGE
  madvise(data, bytes, MADV_HUGEPAGE);
#endif
  return data;
}

void toSystem(void* data, size_t bytes) {
  if (bytes < kMapped) {
    std::free(data);
  } else {
    munmap(data, bytes);
  }
}

}  // namespace

Pool::~Pool() { trim(); }

Block Pool::take(size_t asked) {
  const size_t bytes = sizeClass(asked);
  Block block{nullptr, bytes};
  auto& reusable = free_[bytes];
  if (!reusable.empty()) {
    block.data = reusable.back();
    reusable.pop_back();
    figures_.pooled -= bytes;
  } else {
    // The system promises more memory than there is, and kills whoever touches it: refuse first.
    if (figures_.allocated + figures_.pooled + bytes > physicalBytes()) trim();
    if (figures_.allocated + bytes <= physicalBytes()) block.data = fromSystem(bytes);
    if (block.data == nullptr) {
      throw std::runtime_error("out of memory: " + std::to_string(asked) + " bytes asked for, " +
                               std::to_string(figures_.allocated) + " bytes held of " +
                               std::to_string(physicalBytes()) + " on this machine");
    }
  }
  figures_.allocated += bytes;
  figures_.peak = std::max(figures_.peak, figures_.allocated);
  return block;
}

void Pool::give(Block block) {
  figures_.allocated -= block.bytes;
  figures_.pooled += block.bytes;
  free_[block.bytes].push_back(block.data);
}

void Pool::trim() {
  for (auto& [bytes, blocks] : free_) {
    for (void* data : blocks) toSystem(data, bytes);
    blocks.clear();
  }
  figures_.pooled = 0;
}

}  // namespace tessera
