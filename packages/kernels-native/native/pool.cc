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

#if defined(__SANITIZE_ADDRESS__)
/** Exact sizes that are never reused: AddressSanitizer then sees every wrong access. */
constexpr bool kReuse = false;
#else
constexpr bool kReuse = true;
#endif

/** A free block serves up to this many times less than its size: activations' blocks serve gradients. */
constexpr double kSlack = 1.5;

/** Eight classes per power of two: at most an eighth of a block is unused. */
size_t sizeClass(size_t bytes) {
  if (!kReuse) return std::max<size_t>(bytes, 1);
  const size_t least = std::max(bytes, kAlignment);
  const size_t step = std::max(std::bit_floor(least) / 8, kAlignment);
  return (least + step - 1) / step * step;
}

size_t physicalBytes() {
  return static_cast<size_t>(sysconf(_SC_PHYS_PAGES)) * static_cast<size_t>(sysconf(_SC_PAGE_SIZE));
}

void* fromSystem(size_t bytes) {
  void* block = nullptr;
  if (bytes < kMapped || !kReuse) return posix_memalign(&block, kAlignment, bytes) == 0 ? block : nullptr;
  void* data = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (data == MAP_FAILED) return nullptr;
#ifdef MADV_HUGEPAGE
  madvise(data, bytes, MADV_HUGEPAGE);
#endif
  return data;
}

void toSystem(void* data, size_t bytes) {
  if (bytes < kMapped || !kReuse) {
    std::free(data);
  } else {
    munmap(data, bytes);
  }
}

}  // namespace

Pool::~Pool() { trim(); }

Block Pool::reuse(size_t bytes) {
  const auto most = static_cast<size_t>(static_cast<double>(bytes) * kSlack);
  for (auto found = free_.lower_bound(bytes); found != free_.end() && found->first <= most; ++found) {
    auto& [size, blocks] = *found;
    if (blocks.empty()) continue;
    const Block block{blocks.back(), size};
    blocks.pop_back();
    figures_.pooled -= size;
    return block;
  }
  return {};
}

Block Pool::fresh(size_t bytes, size_t asked) {
  // The system promises more memory than there is, and kills whoever touches it: refuse first.
  if (figures_.allocated + figures_.pooled + bytes > physicalBytes()) trim();
  if (figures_.allocated + bytes <= physicalBytes()) {
    if (void* data = fromSystem(bytes)) return {data, bytes};
  }
  throw std::runtime_error("out of memory: " + std::to_string(asked) + " bytes asked for, " +
                           std::to_string(figures_.allocated) + " bytes held of " +
                           std::to_string(physicalBytes()) + " on this machine");
}

Block Pool::take(size_t asked) {
  const size_t bytes = sizeClass(asked);
  Block block = reuse(bytes);
  if (block.data == nullptr) block = fresh(bytes, asked);
  figures_.allocated += block.bytes;
  figures_.peak = std::max(figures_.peak, figures_.allocated);
  return block;
}

void Pool::give(Block block) {
  figures_.allocated -= block.bytes;
  if (!kReuse) return toSystem(block.data, block.bytes);
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
