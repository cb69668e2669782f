// What products of bf16 operands compute in. Some processors multiply pairs of bf16 twice as fast as
// fp32, others half as fast, so that a flag of the processor does not say which is better.
#pragma once

#include "pool.h"

namespace tessera {

/** Whether the processor multiplies pairs of bf16 elements (AVX512-BF16). */
bool hasBf16Pairs();

/** Whether products of bf16 operands multiply them in pairs, or widen them to fp32. All threads'. */
bool usesBf16Pairs();

/** Not `pairs` where the processor has none. Default: where it has them. */
void useBf16Pairs(bool pairs);

/** Operations a second of a layer's product of bf16 operands. */
struct Bf16Rates {
  /** In pairs; 0 where the processor has none. */
  double pairs;
  double widened;
};

/** Takes some 20 milliseconds. Changes `usesBf16Pairs` meanwhile. */
Bf16Rates measureBf16Rates(Pool& pool);

}  // namespace tessera
