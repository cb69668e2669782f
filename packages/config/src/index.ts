export { resolveBatch, type BatchPlan } from "./batch.js";
export { nameFlags, readFlags, type FlagNames } from "./dialect.js";
export { endWith, EXIT, exitCodeOf, UserError } from "./errors.js";
export { choice, flag, list, number, text, toggle, type Flag, type NumberRange } from "./flag.js";
export {
  parseFlags,
  type FlagGroups,
  type FlagValues,
  type Operand,
  type Parsed,
  type Program,
} from "./parse.js";
export { rampedBatch, type BatchRamp } from "./ramp.js";
export { applyDeepSpeedConfig, type ConfiguredFlags, type Origin } from "./deepspeed.js";
export type { ConfigValue, DeepSpeedFlags, DeepSpeedSetting } from "./deepspeed_keys.js";
