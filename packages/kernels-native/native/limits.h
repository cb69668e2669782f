// What a processor can do at most, on as many threads as kernels have: bare loops of the
// instructions that products consist of, and of reading memory.
#pragma once

#include "pool.h"

namespace tessera {

struct Limits {
  /** Operations a second, two for each multiply-add. */
  double fp32;
  /** The same of bf16 dot products; 0 where the processor has none. */
  double bf16;
  /** Bytes a second. */
  double bandwidth;
};

/** Takes some 0.1 seconds. */
Limits measureLimits(Pool& pool);

}  // namespace tessera
