export {
  activationBytes,
  blockActivationBytes,
  headActivationBytes,
  recomputedActivationBytes,
  savedActivationBytes,
  type ActivationOptions,
  type MicrobatchShape,
} from "./activations.js";
export { block, createNorm, type BlockParams, type NormParams } from "./block.js";
export {
  GPT2_VOCABULARY,
  gptConfig,
  noDropout,
  uniformDropout,
  type Biases,
  type Dropout,
  type GptConfig,
  type GptSizes,
  type Positions,
} from "./config.js";
export { parseConfig, saveConfig, type SavedConfig } from "./config_codec.js";
export { parameterCount, trainingFlopsPerToken } from "./formulas.js";
export { gpt, gptFamily, gptModel, type Gpt, type GptParams } from "./model.js";
export { preset, presetNames, PRESETS, type PresetName } from "./presets.js";
