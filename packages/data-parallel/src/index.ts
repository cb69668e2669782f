export { disagreement } from "./agree.js";
export { planBuckets, type Bucket, type BucketOptions, type Place } from "./buckets.js";
export { fullyShard, shardAll } from "./fully_shard.js";
export { peakBytes, rankMemory, type MemoryOptions, type RankMemory } from "./memory.js";
export { DEFAULT_BUCKET_BYTES, replicate, type ReplicateOptions } from "./replicate.js";
export { type Collector, type Sharing } from "./sharing.js";
