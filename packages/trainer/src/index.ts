export { countedTokens, disposeBatch, makeBatch } from "./batch.js";
export { compareWeights } from "./compare_weights.js";
export { evaluate } from "./evaluate.js";
export { layOut, type LaidOut, type Layout } from "./lay_out.js";
export { batchAfter, isDue, type Intervals, type TrainingPlan } from "./plan.js";
export {
  consoleReporter,
  duration,
  silent,
  type Metrics,
  type Reporter,
  type ReporterOptions,
} from "./reporter.js";
export { freshState, resumedState, wholeState, type WholeState } from "./state.js";
export { sumGradients, takeStep, valueOf, type StepReport, type TrainingState } from "./step.js";
export { train, type TrainingHooks, type TrainingResult } from "./train.js";
