// `@tessera/layers/parallel`: what parallel strategies put around a model's layers and its two ends.

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
export { noTensorParallel, type TensorParallel } from "./tensor_parallel.js";
