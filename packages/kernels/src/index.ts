export { causalAttention, causalAttentionGradient, type AttentionAttributes } from "./attention.js";
export { cachedAttention, type CachedAttentionAttributes } from "./cached_attention.js";
export { convert } from "./convert.js";
export {
  crossEntropy,
  crossEntropyGradient,
  crossEntropyWorkspaceBytes,
  exponentialBytes,
  type HeadSizes,
} from "./cross_entropy.js";
export { dropout, randomNormal, randomSlice, type RandomSlice } from "./dropout.js";
export { addEmbedGradient, embed, embedGradient, type VocabularyShard } from "./embedding.js";
export { gelu, geluGradient, type GeluForm } from "./gelu.js";
export {
  call,
  kernel,
  presentOutputs,
  shapesOf,
  type AnyKernel,
  type Attribute,
  type Attributes,
  type Kernel,
  type Shape,
} from "./kernel.js";
export { layerNorm, layerNormGradient } from "./layer_norm.js";
export { adamStep, sgdStep, type AdamAttributes, type SgdAttributes } from "./optimizer.js";
export {
  callMultiTensor,
  listShapes,
  type AnyMultiTensorKernel,
  type MultiTensorKernel,
} from "./multi_tensor.js";
export { addWeightGradient, linear, product, sumRows, weightGradient } from "./product.js";
export { accumulate, accumulateAll, sumOfSquares } from "./sums.js";
export { rmsNorm, rmsNormGradient } from "./rms_norm.js";
export { put } from "./put.js";
export { rotary, type RotaryAttributes, type RotaryPairs } from "./rotary.js";
export { silu, siluGradient, swiglu, swigluGradient } from "./swiglu.js";
export { hostMemory, type HostMemory } from "./host_memory.js";
export {
  dtypeOf,
  isFloatStorage,
  storageBytes,
  storageOf,
  storageOfDtype,
  STORAGES,
  supportsStorage,
  type FloatStorage,
  type Storage,
  type StorageBackend,
} from "./storage.js";
export {
  MAX_SLICE_LOGIT_BYTES,
  vocabularySlice,
  vocabularySliceGradient,
} from "./vocabulary_slice.js";
