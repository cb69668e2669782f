// `@tessera/layers/cache`: keys and values that attention keeps while text is generated.

export { createKvCache, type AttentionOutput, type KvCache, type KvCacheView } from "./kv_cache.js";
