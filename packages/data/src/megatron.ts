// `@tessera/data/megatron`: Megatron's indexed datasets, their splits, blends and order of samples.

export {
  blendSamples,
  blendIndices,
  parseDataPath,
  type BlendIndices,
  type DataPath,
} from "./megatron/blend.js";
export { chooseDataPaths, type DataPathFlags } from "./megatron/data_paths.js";
export type { NumberArray, Numbers } from "./megatron/file_array.js";
export {
  openGptData,
  type GptData,
  type GptDataOptions,
  type SplitSamples,
} from "./megatron/gpt_data.js";
export { openGptDataset, type GptDataset, type GptDatasetOptions } from "./megatron/gpt_dataset.js";
export { buildIndices, type GptIndices, type IndicesOptions } from "./megatron/gpt_indices.js";
export type { TokenDtype } from "./megatron/idx_format.js";
export { openIndexedDataset, type IndexedDataset } from "./megatron/indexed_dataset.js";
export { prefetch, type PrefetchedFeed, type PrefetchOptions } from "./megatron/prefetch.js";
export { openRunFeeds, type RunFeeds, type RunFeedsOptions } from "./megatron/run_feeds.js";
export { splitDocuments, splitNames, type SplitBounds, type SplitName } from "./megatron/splits.js";
export {
  createDatasetWriter,
  tokenDtype,
  type DatasetWriter,
  type DocumentLengths,
  type WrittenDtype,
} from "./megatron/write_dataset.js";
