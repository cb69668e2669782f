// `@tessera/layers/cache`: the KV cache of generation.

export { createKvCache, type AttentionOutput, type KvCache, type KvCacheView } from "./kv_cache.js";
