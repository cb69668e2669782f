export { makeBatch, type Batch } from "./batch.js";
export { digestTokens } from "./digest.js";
export { createFeed, type Feed, type FeedOptions } from "./feed.js";
export {
  maskDocuments,
  resolveMasks,
  type MaskFlags,
  type MaskOptions,
  type Masks,
} from "./masks.js";
export { orderLength, sequentialOrder, shuffledOrder, type OrderLength } from "./order.js";
export { logProgress, type Progress } from "./progress.js";
export { rankSamples, type SamplerOptions } from "./sampler.js";
export type { SampleOrder, Samples } from "./samples.js";
