export { batchOf, type Batch } from "./batch.js";
export {
  blend,
  blendCounts,
  blendIndices,
  parseDataPath,
  type BlendIndices,
  type DataPath,
} from "./blend.js";
export { chooseDataPaths, type DataPathFlags } from "./data_paths.js";
export { feedOf, type Feed, type FeedOptions } from "./feed.js";
export type { NumberArray, Numbers } from "./file_array.js";
export {
  openGptData,
  openPart,
  type GptData,
  type GptDataOptions,
  type GptPart,
  type OpenPart,
} from "./gpt_data.js";
export { openGptDataset, type GptDataset, type GptDatasetOptions } from "./gpt_dataset.js";
export { buildIndices, type GptIndices, type IndicesOptions } from "./gpt_indices.js";
export type { TokenDtype } from "./idx_format.js";
export { openIndexedDataset, type IndexedDataset } from "./indexed_dataset.js";
export {
  maskDocuments,
  maskOptions,
  type MaskFlags,
  type MaskOptions,
  type Masks,
} from "./masks.js";
export { sequentialOrder, shuffledOrder } from "./order.js";
export { prefetch, type PrefetchedFeed, type PrefetchOptions } from "./prefetch.js";
export { progressLines, type Progress } from "./progress.js";
export { readTexts, type SkippedFile, type Text, type TextCollection } from "./read_texts.js";
export {
  openRunFeeds,
  runLength,
  type RunFeeds,
  type RunFeedsOptions,
  type RunLength,
} from "./run_feeds.js";
export { rankSamples, type SamplerOptions } from "./sampler.js";
export type { SampleOrder, Samples } from "./samples.js";
export { splitDocuments, splitNames, type SplitBounds, type SplitName } from "./splits.js";
export { findTexts, textEndings, type TextFile } from "./text_files.js";
export { tokenArray, tokensOf, type Encoder, type TokenArray } from "./tokens.js";
export { splitWindows, tokenWindows, type SplitWindows, type TokenWindows } from "./windows.js";
export {
  datasetWriter,
  tokenDtype,
  type DatasetWriter,
  type DocumentPlaces,
  type WrittenDtype,
} from "./write_dataset.js";
