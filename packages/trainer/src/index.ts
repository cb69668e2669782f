export { countedTokens, disposeBatch, makeBatch } from "./batch.js";
export {
  openCheckpoints,
  type CheckpointOptions,
  type Checkpoints,
  type Described,
  type Saver,
} from "./checkpoints.js";
export { compareWeights } from "./compare_weights.js";
export { describeMemory, describeRanks, megabytes } from "./describe.js";
export { evaluate } from "./evaluate.js";
export { layOut, type LaidOut, type Layout } from "./lay_out.js";
export { anyRank, isFirstRank } from "./over_ranks.js";
export { batchAfter, isDue, type Intervals, type TrainingPlan } from "./plan.js";
export { precisionOf, refuseStorage, type Precision, type PrecisionFlags } from "./precision.js";
export {
  consoleReporter,
  duration,
  patient,
  silent,
  type Metrics,
  type Reporter,
  type ReporterOptions,
  type Told,
} from "./reporter.js";
export { resumeRun, type Identity } from "./saved_state.js";
export { freshState, wholeState, type WholeState } from "./state.js";
export { sumGradients, takeStep, valueOf, type StepReport, type TrainingState } from "./step.js";
export { stopOnSignal } from "./stop_on_signal.js";
export { stopwatch, type Elapsed } from "./stopwatch.js";
export { train, type TrainingHooks, type TrainingResult } from "./train.js";
