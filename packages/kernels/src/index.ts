export { causalAttention, causalAttentionGradient, type AttentionAttributes } from "./attention.js";
export { crossEntropy, crossEntropyGradient } from "./cross_entropy.js";
export { drawOf, dropout, randomNormal, type Draw } from "./dropout.js";
export { embed, embedGradient } from "./embedding.js";
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
export { accumulate, linear, product, sumOfSquares, sumRows, weightGradient } from "./product.js";
