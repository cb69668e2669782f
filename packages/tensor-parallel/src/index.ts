export { tensorParallel, sequenceParallel } from "./tensor_parallel.js";
export { shardParams, unshardParams } from "./shard_params.js";
export { alone, partOf, tensorAxis, type TensorAxis } from "./axis.js";
