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
  allReduceScalar,
  anyRank,
  completeGradients,
  isFirstRank,
  lossAxes,
  rankAmong,
  replicaCount,
  sampleShard,
} from "./fold.js";
export { createStopSignal, type StopSignal } from "./stop_signal.js";
