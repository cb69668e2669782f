// Kernels that training needs beyond tfjs, each a contract with a composite of tfjs ops that defines its numbers. What
// engines implement them with is in `@tessera/kernels/contract`.

export { causalAttention, causalAttentionGradient } from "./attention.js";
export { cachedAttention } from "./cached_attention.js";
export { convert } from "./convert.js";
export { crossEntropy, crossEntropyGradient, crossEntropyInputGradient } from "./cross_entropy.js";
export { dropout, randomNormal, randomSlice } from "./dropout.js";
export { addEmbedGradient, embed, embedGradient } from "./embedding.js";
export { roundSum, sumOfSquares } from "./exact_sum.js";
export { gelu, geluGradient } from "./gelu.js";
export { call } from "./kernel.js";
export { layerNorm, layerNormGradient } from "./layer_norm.js";
export { callMultiTensor } from "./multi_tensor.js";
export { adamStep, sgdStep } from "./optimizer.js";
export { addWeightGradient, linear, product, sumRows, weightGradient } from "./product.js";
export { put } from "./put.js";
export { rmsNorm, rmsNormGradient } from "./rms_norm.js";
export { rotary } from "./rotary.js";
export { accumulate, accumulateAll } from "./sums.js";
export { silu, siluGradient, swiglu, swigluGradient } from "./swiglu.js";
export { vocabularySlice, vocabularySliceGradient } from "./vocabulary_slice.js";
