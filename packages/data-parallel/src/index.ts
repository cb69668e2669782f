export { planBuckets, type Bucket, type BucketOptions, type BucketSlot } from "./buckets.js";
export { type DataParallel, type GradientReducer, type SumOrder } from "./data_parallel.js";
export { findDivergence } from "./find_divergence.js";
export { fsdpWrapper } from "./fsdp_wrapper.js";
export { fullyShard, type FullyShardOptions } from "./fully_shard.js";
export { peakBytes, rankMemory, type MemoryOptions, type RankMemory } from "./memory.js";
export { DEFAULT_BUCKET_BYTES, replicate, type ReplicateOptions } from "./replicate.js";
