export { freeze, freezeMatching } from "./freeze.js";
export {
  contextOf,
  type ChunkSaved,
  type Model,
  type ModelChunk,
  type ModelFamily,
  type ModelHead,
  type ModelOptions,
  type NarrowModel,
  type TokenBatch,
} from "./model.js";
export type { Recomputation } from "./recomputation.js";
export { fullModel, modelStage, type FullModel, type ModelStage } from "./stage.js";
export { transformer, type TransformerParams, type TransformerParts } from "./transformer.js";
