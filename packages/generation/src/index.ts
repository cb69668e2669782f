export {
  createBatcher,
  type Batcher,
  type BatcherOptions,
  type SequenceRequest,
} from "./batcher.js";
export {
  evaluateLambada,
  splitPassage,
  evaluatePerplexity,
  tokenNll,
  tokensInMemory,
  type LambadaResult,
  type Perplexity,
  type PerplexityOptions,
  type TokenSource,
} from "./evaluate.js";
export {
  createTextServer,
  type ServerLimits,
  type TextServerOptions,
} from "./server/text_server.js";
export type { Engine, EngineCall, EngineOptions, ModelSizes } from "./engine.js";
export {
  generate,
  generateAll,
  encodePrompt,
  createSequence,
  type Finish,
  type TextEvents,
  type TextRequest,
  type Completion,
} from "./generate.js";
export { modelEngine } from "./model_engine.js";
export { onnxEngine, type OnnxEngineOptions } from "./onnx_engine.js";
export { sampleToken, greedy, type Sampling } from "./sample.js";
export { createTextStream, type TextStream } from "./stop.js";
