// Elements of several ranks become one, always in the order given: the same bits everywhere.
#pragma once

#include <cstddef>
#include <cstdint>

namespace tessera {

/** The order is that of STORAGES in src/addon.ts. */
enum class Storage : uint8_t { fp32, int32, u8, bf16, fp16 };
/** The order is that of OPS in src/addon.ts. */
enum class Op : uint8_t { sum, mean, max, min, onto };

constexpr size_t bytesPer(Storage storage) {
  switch (storage) {
    case Storage::fp32:
    case Storage::int32:
      return 4;
    case Storage::bf16:
    case Storage::fp16:
      return 2;
    case Storage::u8:
      return 1;
  }
  return 1;
}

/** to[i] = from[0][i] op from[1][i] op ..., for `size` elements of each of `count` ranks. */
void reduce(Storage storage, Op op, void* to, const void* const* from, size_t count, size_t size);

}  // namespace tessera
