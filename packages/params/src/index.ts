export { accumulate, type Accumulator } from "./accumulate.js";
export {
  accumulateGradient,
  resolveGradient,
  type DeferredGradient,
  type Gradient,
} from "./gradient.js";
export { replicaCount, vocabularyPartition, vocabularyRange, type Partition } from "./partition.js";
export {
  clipRange,
  shardLayout,
  splitRange,
  type FlatRange,
  type ShardLayout,
} from "./shard_layout.js";
export {
  bucketKey,
  checkPartition,
  constant,
  materialize,
  matrix,
  normal,
  shardSlice,
  vector,
  type Initializer,
  type ParamSpec,
} from "./spec.js";
export {
  createSink,
  disposeTree,
  filterTree,
  joinPath,
  leafAt,
  leaves,
  mapTensors,
  mapTree,
  mergeTrees,
  sendGradient,
  type GradientSink,
  type Leaf,
  type Like,
  type Tree,
  type TreeOf,
} from "./tree.js";
