export { resolveBatch, type BatchPlan } from "./batch.js";
export { nameFlags, readFlags, type FlagNames } from "./dialect.js";
export { endWith, EXIT, exitCodeOf, goOnUnread, isPlain, RunError, UserError } from "./errors.js";
export { choice, flag, list, number, text, toggle, type Flag, type NumberRange } from "./flag.js";
export { findNearest } from "./nearest.js";
export { parseFlags, type Parsed } from "./parse.js";
export type { FlagGroups, FlagValues, Operand, Program } from "./program.js";
export {
  countRampedSteps,
  rampedBatch,
  rampSizes,
  type BatchRamp,
  type EvenRamp,
  type StagedRamp,
} from "./ramp.js";
export { applyDeepSpeedConfig, type ConfiguredFlags, type Origin } from "./deepspeed.js";
export type { ConfigValue, DeepSpeedFlags, DeepSpeedSetting } from "./deepspeed_keys.js";
export { readVersion } from "./version.js";
