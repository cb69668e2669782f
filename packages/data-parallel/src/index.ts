export { findDivergence } from "./find_divergence.js";
export { planBuckets, type Bucket, type BucketOptions, type BucketSlot } from "./buckets.js";
export { fullyShard, fsdpWrapper } from "./fully_shard.js";
export { peakBytes, rankMemory, type MemoryOptions, type RankMemory } from "./memory.js";
export { DEFAULT_BUCKET_BYTES, replicate, type ReplicateOptions } from "./replicate.js";
export { type GradientReducer, type DataParallel } from "./data_parallel.js";
