// `@tessera/kernels/contract`: what a kernel is, for those who write kernels and for engines that implement them.

export type { AttentionAttributes, ScoreAttributes } from "./attention.js";
export type { CachedAttentionAttributes } from "./cached_attention.js";
export type { RandomSlice } from "./dropout.js";
export type { VocabularyShard } from "./embedding.js";
export { EXACT_SUM_BYTES, EXACT_SUM_UNIT } from "./exact_sum.js";
export type { GeluForm } from "./gelu.js";
export {
  kernel,
  presentOutputs,
  shapesOf,
  sizeOf,
  type AnyKernel,
  type Attribute,
  type Attributes,
  type Kernel,
  type Shape,
} from "./kernel.js";
export { listShapes, type AnyMultiTensorKernel, type MultiTensorKernel } from "./multi_tensor.js";
export type { AdamAttributes, SgdAttributes } from "./optimizer.js";
export { rotaryTables, type RotaryAttributes, type RotaryPairs } from "./rotary.js";
