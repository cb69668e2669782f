export {
  causalAttention,
  causalAttentionGradient,
  documentAttention,
  documentAttentionGradient,
  type AttentionAttributes,
} from "./attention.js";
export { cachedAttention, type CachedAttentionAttributes } from "./cached_attention.js";
export { convert, type FloatStorage } from "./convert.js";
export {
  biasedCrossEntropy,
  biasedCrossEntropyGradient,
  crossEntropy,
  crossEntropyGradient,
} from "./cross_entropy.js";
export { drawOf, dropout, randomNormal, type Draw } from "./dropout.js";
export { addEmbedGradient, embed, embedGradient } from "./embedding.js";
export { gelu, geluGradient, type GeluForm } from "./gelu.js";
export {
  call,
  kernel,
  type Attribute,
  type Attributes,
  type Kernel,
  type Shape,
} from "./kernel.js";
export { layerNorm, layerNormGradient } from "./layer_norm.js";
export { adamStep, sgdStep, type AdamAttributes, type SgdAttributes } from "./optimizer.js";
export {
  accumulate,
  addWeightGradient,
  linear,
  product,
  sumOfSquares,
  sumRows,
  weightGradient,
} from "./product.js";
export { rmsNorm, rmsNormGradient } from "./rms_norm.js";
export { put } from "./put.js";
export { rotary, type RotaryAttributes, type RotaryPairs } from "./rotary.js";
export { silu, siluGradient, swiglu, swigluGradient } from "./swiglu.js";
export { dtypeOf, hostMemory, type HostMemory, type Storage } from "./host_memory.js";
export { vocabularySlice, vocabularySliceGradient } from "./vocabulary_slice.js";
