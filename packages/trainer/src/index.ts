export { countedTokens, disposeBatch, makeBatch } from "./batch.js";
export { evaluate } from "./evaluate.js";
export { isDue, type Intervals, type TrainingPlan } from "./plan.js";
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
