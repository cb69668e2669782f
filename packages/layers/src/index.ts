export { addAndDispose } from "./and_dispose.js";
export { selfAttention, type AttentionOptions, type AttentionParams } from "./attention.js";
export { dropout } from "./dropout.js";
export { embedding, tokenEmbedding, type EmbeddingOptions } from "./embedding.js";
export { childContext, evalContext, rngKey, type ForwardContext } from "./forward_context.js";
export { gelu } from "./gelu.js";
export { parallel, sequence, stack } from "./chain.js";
export {
  defineLayer,
  identity,
  recompute,
  residual,
  type AnyLayer,
  type Layer,
  type NoParams,
  type ParamsOf,
} from "./layer.js";
export { layerNorm, type LayerNormParams } from "./layer_norm.js";
export { columns, linear, rows, type LinearOptions, type LinearParams } from "./linear.js";
export { mlp, type Activation, type MlpOptions } from "./mlp.js";
export { preNorm } from "./pre_norm.js";
export { rmsNorm, type RmsNormParams } from "./rms_norm.js";
export type { Rotary } from "./rotary.js";
export { saveInput } from "./save_input.js";
export { swiglu } from "./swiglu.js";
