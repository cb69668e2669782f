// `@tessera/layers/parallel`: what models and parallel strategies agree on: wrappers, tensor parallelism, embedding and
// head.

export { chainSegments, type Segment } from "./chain.js";
export type { EmbeddingParams, TokenParams } from "./embedding.js";
export { identityWrapper, type LayerWrapper } from "./layer_wrapper.js";
export {
  lmHead,
  lmHeadSpec,
  type InputEmbedding,
  type LmHead,
  type LmHeadOptions,
  type LmHeadParams,
  type LossAndGradient,
  type Targets,
} from "./lm_head.js";
export { parallelPreNorms, type PreNormParams } from "./pre_norm.js";
export { noTensorParallel, type TensorParallel } from "./tensor_parallel.js";
