export {
  alreadyComplete,
  replicatedAxis,
  type CompleteAlongThis,
  type CompleteGradients,
  type ParallelAxis,
  type PartialGradients,
} from "./axis.js";
export { conversions, type Conversions } from "./conversions.js";
export {
  allReduceOver,
  allReduceValues,
  anyRank,
  completeGradients,
  hasFirstReplica,
  isFirstRank,
  lossAxes,
  rankAmong,
  sampleShard,
  sumMicrobatches,
} from "./fold.js";
export { createStopSignal, type StopSignal } from "./stop_signal.js";
