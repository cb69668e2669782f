export { clipFactor, globalNorm } from "./clip.js";
export {
  initialLossScale,
  nextLossScale,
  type LossScale,
  type LossScaleOptions,
} from "./loss_scale.js";
export {
  adam,
  decayOf,
  initialState,
  sgd,
  type AdamOptions,
  type Decays,
  type Optimizer,
  type OptimizerState,
  type SgdOptions,
  type Update,
} from "./optimizer.js";
export {
  createSchedule,
  decayStyles,
  type DecayConfig,
  type DecayStyle,
  type ScheduleConfig,
} from "./schedules/create_schedule.js";
export { cosine, exponential, linear, minusSqrt, type DecayOptions } from "./schedules/decay.js";
export {
  inverseSquareRoot,
  type InverseSquareRootOptions,
} from "./schedules/inverse_square_root.js";
export {
  constant,
  sequence,
  warmup,
  type LearningRateSchedule,
  type Phase,
} from "./schedules/schedule.js";
export {
  stableDecay,
  wsdDecayStyles,
  type WsdDecayStyle,
  type WsdOptions,
} from "./schedules/wsd.js";
