// `@tessera/optim/schedules`: learning-rate schedules by name, and the phases that they are composed of.

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
  type WarmupCurve,
} from "./schedules/schedule.js";
export {
  stableDecay,
  wsdDecayStyles,
  type WsdDecayStyle,
  type WsdOptions,
} from "./schedules/wsd.js";
