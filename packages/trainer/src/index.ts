export { countedTokens, disposeBatch, makeBatch } from "./batch.js";
export {
  openCheckpoints,
  type CheckpointOptions,
  type Checkpoints,
  type Described,
  type Saver,
} from "./checkpoints.js";
export { checkReplicasAgree } from "./check_replicas.js";
export { describeMemory, describeRanks, megabytes } from "./describe.js";
export { evaluate } from "./evaluate.js";
export type { AxisContext, AxisDefinition } from "./axes/definition.js";
export {
  resolveParallel,
  type ParallelConfig,
  type ResolvedParallel,
  type ZeroStage,
} from "./parallel_config.js";
export { parallelize, type Parallelized } from "./parallelize.js";
export { batchAfter, isDue, type Intervals, type TrainingPlan } from "./plan.js";
export { resolvePrecision, checkStorage, type PrecisionFlags } from "./precision.js";
export {
  consoleReporter,
  duration,
  reportSlowPhases,
  silent,
  type Metrics,
  type Reporter,
  type ReporterOptions,
  type ReportContext,
} from "./reporter.js";
export { runExitCode, LIMIT } from "./run/exit_code.js";
export { createOptimizer, type OptimizerConfig } from "./run/optimizer_config.js";
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
export { jsonLines } from "./sinks/json_lines.js";
export { withSinks, type MetricSink } from "./sinks/sink.js";
export { tensorBoard } from "./sinks/tensorboard.js";
export { resumeRun, type Identity } from "./saved_state.js";
export {
  gatherFullState,
  initialTrainingState,
  type FullState,
  type TrainingState,
} from "./state.js";
export { sumGradients, takeStep, readScalar, type StepReport } from "./step.js";
export { stopOnSignal } from "./stop_on_signal.js";
export { stopwatch, type Elapsed } from "./stopwatch.js";
export { train, type TrainingHooks, type TrainingResult } from "./train.js";
