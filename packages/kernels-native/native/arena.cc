// See arena.h.
#include "arena.h"

#include <sys/mman.h>

#include <algorithm>
#include <iterator>

namespace tessera {

namespace {

/** By how much the touchable range grows. A multiple of a huge page. */
constexpr size_t kGrowth = size_t{64} << 20;
/** Where the system limits addresses, less is reserved; below this there is no arena. */
constexpr size_t kLeast = size_t{1} << 30;

}  // namespace

Arena::Arena(size_t addresses) {
  for (size_t bytes = addresses / kGrowth * kGrowth; bytes >= kLeast;
       bytes = bytes / 2 / kGrowth * kGrowth) {
    void* data =
        mmap(nullptr, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (data == MAP_FAILED) continue;
    base_ = static_cast<char*>(data);
    reserved_ = bytes;
#ifdef MADV_HUGEPAGE
    madvise(data, bytes, MADV_HUGEPAGE);
#endif
    return;
  }
}

Arena::~Arena() {
  if (base_ != nullptr) munmap(base_, reserved_);
}

void* Arena::take(size_t bytes) {
  const auto found = bySize_.lower_bound({bytes, 0});
  if (found == bySize_.end()) return extend(bytes);
  const auto [size, offset] = *found;
  removeHole({offset, size});
  if (size > bytes) addHole(offset + bytes, size - bytes);
  return base_ + offset;
}

void* Arena::extend(size_t bytes) {
  // A hole at the end is where the block begins.
  const size_t start = !holes_.empty() && holes_.rbegin()->first + holes_.rbegin()->second == end_
                           ? holes_.rbegin()->first
                           : end_;
  if (bytes > reserved_ - start) return nullptr;
  const size_t end = start + bytes;
  if (end > open_) {
    const size_t open = std::min(reserved_, (end + kGrowth - 1) / kGrowth * kGrowth);
    if (mprotect(base_ + open_, open - open_, PROT_READ | PROT_WRITE) != 0) return nullptr;
    open_ = open;
  }
  if (start < end_) removeHole(*holes_.rbegin());
  end_ = end;
  return base_ + start;
}

void Arena::give(void* data, size_t bytes) {
  size_t offset = static_cast<size_t>(static_cast<char*>(data) - base_);
  const auto after = holes_.lower_bound(offset);
  if (after != holes_.begin()) {
    const Hole before = *std::prev(after);
    if (before.first + before.second == offset) {
      offset = before.first;
      bytes += before.second;
      removeHole(before);
    }
  }
  const auto next = holes_.find(offset + bytes);
  if (next != holes_.end()) {
    const Hole joined = *next;
    bytes += joined.second;
    removeHole(joined);
  }
  addHole(offset, bytes);
}

void Arena::trim() {
  for (const auto& [offset, bytes] : holes_) madvise(base_ + offset, bytes, MADV_DONTNEED);
  if (holes_.empty()) return;
  const Hole last = *holes_.rbegin();
  if (last.first + last.second != end_) return;
  removeHole(last);
  end_ = last.first;
}

void Arena::addHole(size_t offset, size_t bytes) {
  holes_.emplace(offset, bytes);
  bySize_.emplace(bytes, offset);
  free_ += bytes;
}

void Arena::removeHole(const Hole& hole) {
  const auto [offset, bytes] = hole;
  holes_.erase(offset);
  bySize_.erase({bytes, offset});
  free_ -= bytes;
}

}  // namespace tessera
