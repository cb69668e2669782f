export { bytesOf, describeCall, type Call, type Elements, type Engine } from "./engine.js";
export { type Pending, type Values } from "./engine.js";
export {
  MAX_TAG,
  type CallKind,
  type ProcessGroup,
  type ReceiveOptions,
  type ReduceOp,
  type Traffic,
  type Work,
} from "./group.js";
export { runThreads, type ThreadRun } from "./run_threads.js";
export { singleGroup, singleWorld } from "./single.js";
export { tensorGroup, type Members } from "./tensor_group.js";
export { meshGroups, nameRank, runRank, type World } from "./world.js";
