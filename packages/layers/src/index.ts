export { accumulate, type Accumulator } from "./accumulate.js";
export {
  selfAttention,
  type AttentionOptions,
  type AttentionParams,
  type AttentionSaved,
  type Rotary,
} from "./attention.js";
export {
  replicaCount,
  partitionRange,
  vocabularyPartition,
  vocabularyRange,
  type Partition,
} from "./partition.js";
export { dropout } from "./dropout.js";
export {
  embedding,
  tokenEmbedding,
  type EmbeddingOptions,
  type EmbeddingParams,
  type EmbeddingSaved,
  type TokenOptions,
  type TokenParams,
} from "./embedding.js";
export {
  lmHead,
  type LmHead,
  type LossAndGradient,
  type InputEmbedding,
  type Targets,
  lmHeadSpec,
  type LmHeadOptions,
  type LmHeadParams,
} from "./lm_head.js";
export { gelu } from "./gelu.js";
export {
  accumulateGradient,
  resolveGradient,
  type Gradient,
  type DeferredGradient,
} from "./gradient.js";
export {
  identity,
  recompute,
  residual,
  sequence,
  parallel,
  type AnyLayer,
  type Layer,
  type NoParams,
  type ParamsOf,
  type SavedOf,
  type SequenceOf,
} from "./layer.js";
export { saveInput } from "./save_input.js";
export { layerNorm, type LayerNormParams, type LayerNormSaved } from "./layer_norm.js";
export {
  linear,
  type LinearOptions,
  type LinearParams,
  type LinearSaved,
  type Units,
} from "./linear.js";
export { mlp, type Activation, type MlpOptions } from "./mlp.js";
export { createKvCache, type AttentionOutput, type KvCache, type KvCacheView } from "./kv_cache.js";
export {
  clipRange,
  shardLayout,
  splitRange,
  type ShardLayout,
  type FlatRange,
} from "./shard_layout.js";
export { rmsNorm, type RmsNormParams, type RmsNormSaved } from "./rms_norm.js";
export { swiglu } from "./swiglu.js";
export { addAndDispose } from "./and_dispose.js";
export { noTensorParallel, type TensorParallel } from "./tensor_parallel.js";
export {
  constant,
  bucketKey,
  materialize,
  matrix,
  normal,
  checkPartition,
  vector,
  shardSlice,
  type Initializer,
  type ParamSpec,
} from "./spec.js";
export { childContext, rngKey, evalContext, type ForwardContext } from "./forward_context.js";
export { identityWrapper, type LayerWrapper } from "./layer_wrapper.js";
export {
  disposeTree,
  filterTree,
  joinPath,
  leafAt,
  leaves,
  mapTensors,
  mapTree,
  mergeTrees,
  type Leaf,
  type Like,
  type GradientSink,
  type Tree,
  type TreeOf,
} from "./tree.js";
