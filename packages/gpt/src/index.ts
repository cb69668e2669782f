export { block, type BlockParams } from "./block.js";
export {
  evenDropout,
  GPT2_VOCABULARY,
  gptConfig,
  noDropout,
  type Dropout,
  type GptConfig,
  type GptSizes,
} from "./config.js";
export { parameterCount, trainingFlopsPerToken } from "./formulas.js";
export { choose, generate, type Sampling } from "./generate.js";
export { gpt, type Batch, type Gpt, type GptParams } from "./model.js";
export { preset, presetNames, PRESETS, type PresetName } from "./presets.js";
