// Copies between tensors and the memory of JavaScript.
#pragma once

#include "parallel.h"

namespace tessera {

/** From this size on, a copy goes past the caches, which hold little of it. */
constexpr int64_t kStreamed = 1 << 20;

/** Ordinary stores would first read what they write over. */
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

/** On all threads: one alone does not fill the way to memory. */
inline void copyBytes(void* to, const void* from, int64_t bytes) {
  if (bytes == 0) return;  // of nowhere
  if (bytes < kStreamed) {
    std::memcpy(to, from, bytes);
    return;
  }
  eachPart(bytes, threadsFor(bytes), [&](int, Part part) {
    streamBytes(static_cast<char*>(to) + part.first, static_cast<const char*>(from) + part.first,
                part.last - part.first);
  });
}

}  // namespace tessera
