// The mechanics of training, for programs that write the loop themselves.

export { countedTokens, disposeBatch, makeBatch } from "./batch.js";
export { checkReplicasAgree } from "./check_replicas.js";
export {
  openCheckpoints,
  type CheckpointOptions,
  type Checkpoints,
  type Described,
  type Saver,
} from "./checkpoints.js";
export { parallelize, type Parallelized } from "./parallelize.js";
export { batchAfter, isDue, type Intervals } from "./plan.js";
export { checkStorage } from "./precision.js";
export type { Identity } from "./identity.js";
export { resumeRun } from "./saved_state.js";
export { gatherFullState, initialTrainingState, type FullState } from "./state.js";
export { readScalar, sumGradients, takeStep, type StepReport } from "./step.js";
export { train, type TrainingHooks } from "./train.js";
