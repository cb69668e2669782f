export {
  activationBytes,
  blockActivationBytes,
  headActivationBytes,
  savedActivationBytes,
  recomputedActivationBytes,
  type ActivationOptions,
  type MicroBatch,
} from "./activations.js";
export { block, createNorm, type BlockParams, type NormParams } from "./block.js";
export {
  uniformDropout,
  GPT2_VOCABULARY,
  gptConfig,
  noDropout,
  type Biases,
  type Dropout,
  type GptConfig,
  type GptSizes,
  type Positions,
} from "./config.js";
export { parameterCount, trainingFlopsPerToken } from "./formulas.js";
export { withBatch, gpt, gptStage, type Batch, type Gpt, type GptStage } from "./model.js";
export {
  gptChunk,
  type GptHead,
  type GptOptions,
  type GptParams,
  type GptChunk,
  type ChunkSaved,
} from "./chunk.js";
export { preset, presetNames, PRESETS, type PresetName } from "./presets.js";
export type { Recomputation } from "./recomputation.js";
