export {
  activationBytes,
  blockActivationBytes,
  endBytes,
  keptActivationBytes,
  recomputedActivationBytes,
  type Keeping,
  type MicroBatch,
} from "./activations.js";
export { block, normOf, type BlockParams, type NormParams } from "./block.js";
export {
  evenDropout,
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
export { atRows, gpt, gptStage, type Batch, type Gpt, type GptStage } from "./model.js";
export {
  gptPart,
  type GptEnd,
  type GptOptions,
  type GptParams,
  type GptPart,
  type PartSaved,
} from "./part.js";
export { preset, presetNames, PRESETS, type PresetName } from "./presets.js";
export type { Recomputation } from "./recomputation.js";
