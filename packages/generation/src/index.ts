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
export type { Engine, EngineCall, EngineOptions, ModelSizes } from "./engine.js";
export {
  generate,
  generateAll,
  createSequence,
  type Finish,
  type LogprobsRequest,
  type TextEvents,
  type TextRequest,
  type TextToken,
  type Completion,
} from "./generate.js";
export {
  encodePrompt,
  encodeWhole,
  type ModelTokenizer,
  type PromptEncoding,
} from "./model_tokenizer.js";
export { modelEngine } from "./model_engine.js";
export { onnxEngine, type OnnxEngineOptions } from "./onnx_engine.js";
export type { RankedToken } from "./logprobs.js";
export { sampleToken, greedy, type Sampling, type TokenHistory } from "./sample.js";
export { createTextStream, type TextStream } from "./stop.js";
