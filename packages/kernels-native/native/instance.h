// Memory by slot, as the addon lends it to JavaScript.
#pragma once

#include <stdexcept>
#include <string>
#include <vector>

#include "pool.h"

namespace tessera {

/** Per JavaScript thread: its pool, and the blocks of its slots. */
struct Instance {
  Pool pool;
  std::vector<Block> slots;
  std::vector<uint32_t> vacant;

  ~Instance() {
    for (const Block& block : slots) {
      if (block.data != nullptr) pool.give(block);
    }
  }

  uint32_t allocate(size_t bytes) {
    const Block block = pool.take(bytes);
    if (vacant.empty()) {
      slots.push_back(block);
      return static_cast<uint32_t>(slots.size() - 1);
    }
    const uint32_t slot = vacant.back();
    vacant.pop_back();
    slots[slot] = block;
    return slot;
  }

  const Block& block(uint32_t slot) const {
    if (slot >= slots.size() || slots[slot].data == nullptr) {
      throw std::invalid_argument("slot " + std::to_string(slot) + " holds no memory");
    }
    return slots[slot];
  }

  void release(uint32_t slot) {
    pool.give(block(slot));
    slots[slot] = {};
    vacant.push_back(slot);
  }
};

}  // namespace tessera
