export { accumulate, type Accumulator } from "./accumulate.js";
export {
  selfAttention,
  type AttentionOptions,
  type AttentionParams,
  type AttentionSaved,
} from "./attention.js";
export { dropout } from "./dropout.js";
export {
  embedding,
  type EmbeddingOptions,
  type EmbeddingParams,
  type EmbeddingSaved,
} from "./embedding.js";
export {
  vocabularyHead,
  type Head,
  type LossAndGradient,
  type Source,
  type Targets,
  type VocabularyParams,
} from "./ends.js";
export { gelu } from "./gelu.js";
export { addGradient, computed, type Gradient, type LateGradient } from "./gradient.js";
export {
  identity,
  recompute,
  residual,
  sequence,
  type AnyLayer,
  type Layer,
  type Nothing,
  type ParamsOf,
  type SavedOf,
  type SequenceOf,
} from "./layer.js";
export { keepInput } from "./keep_input.js";
export { layerNorm, type LayerNormParams, type LayerNormSaved } from "./layer_norm.js";
export { linear, type LinearOptions, type LinearParams, type LinearSaved } from "./linear.js";
export { mlp, type MlpOptions } from "./mlp.js";
export { keyValueCache, type Attended, type KeyValueCache, type Past } from "./past.js";
export { whole, type Boundary, type Region } from "./region.js";
export {
  constant,
  materialize,
  matrix,
  normal,
  vector,
  windowOf,
  type Initializer,
  type ParamSpec,
} from "./spec.js";
export { inside, keyAt, still, type Step } from "./step.js";
export { bare, type Wrapping } from "./wrapping.js";
export {
  disposeTree,
  joinPath,
  leafAt,
  leaves,
  mapTensors,
  mapTree,
  type Leaf,
  type Like,
  type Sink,
  type Tree,
  type TreeOf,
} from "./tree.js";
