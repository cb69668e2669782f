// Copies between tensors and JavaScript's memory.
#pragma once

#include "parallel.h"

namespace tessera {

/** From this size on, copies bypass the caches. */
constexpr int64_t kStreamed = 1 << 20;

/** With non-temporal stores: ordinary ones would first read the lines that they overwrite. */
inline void streamBytes(char* to, const char* from, int64_t bytes) {
  int64_t i = 0;
#if defined(__SSE2__)
  i = std::min<int64_t>(bytes, -reinterpret_cast<uintptr_t>(to) % 64);
  std::memcpy(to, from, i);
  for (; i + 64 <= bytes; i += 64) {
    for (int64_t lane = i; lane < i + 64; lane += 16) {
      const __m128i some = _mm_loadu_si128(reinterpret_cast<const __m128i*>(from + lane));
      _mm_stream_si128(reinterpret_cast<__m128i*>(to + lane), some);
    }
  }
  _mm_sfence();
#endif
  std::memcpy(to + i, from + i, bytes - i);
}

/** On all threads: one alone does not saturate memory bandwidth. */
inline void copyBytes(void* to, const void* from, int64_t bytes) {
  if (bytes == 0) return;  // of nowhere
  if (bytes < kStreamed) {
    std::memcpy(to, from, bytes);
    return;
  }
  eachRange(bytes, threadsFor(bytes), [&](int, Range range) {
    streamBytes(static_cast<char*>(to) + range.first, static_cast<const char*>(from) + range.first,
                range.last - range.first);
  });
}

}  // namespace tessera
