export { tensorParallel, sequenceParallel } from "./tensor_parallel.js";
export { shardParams, unshardParams } from "./shard_params.js";
export { tensorAxis } from "./axis.js";
