// Runs from one value, which is what most programs need. The mechanics of the loop are in `@tessera/trainer/loop`,
// reporters and metric sinks in `@tessera/trainer/report`.

export type { AxisContext, AxisDefinition } from "./axes/definition.js";
export { evaluate } from "./evaluate.js";
export {
  resolveParallel,
  type ParallelConfig,
  type ResolvedParallel,
  type ZeroStage,
} from "./parallel_config.js";
export { resolvePrecision, type PrecisionFlags } from "./precision.js";
export { LIMIT, runExitCode } from "./run/exit_code.js";
export { optimizerOf, planRun, type Run } from "./run/plan_run.js";
export { resolveRun, type ResolvedRun } from "./run/resolve_run.js";
export type {
  BatchConfig,
  CheckpointConfig,
  DataRequest,
  Duration,
  EvaluationConfig,
  PrecisionConfig,
  RunConfig,
  RunData,
} from "./run/run_config.js";
export { startRun, trainRun, type RunHooks } from "./run/train_run.js";
export { stopOnSignal } from "./stop_on_signal.js";
export type { TrainingPlan } from "./plan.js";
export type { TrainingState } from "./state.js";
export type { TrainingResult } from "./train.js";
