export { batcher, type Batcher, type BatcherOptions, type SequenceRequest } from "./batcher.js";
export {
  lastWordsOf,
  partedPassage,
  perplexityOf,
  surprise,
  tokensInMemory,
  type LastWords,
  type Perplexity,
  type PerplexityOptions,
  type TokenSource,
} from "./evaluate.js";
export { textServer, type ServerLimits, type TextServerOptions } from "./server/text_server.js";
export type { Engine, EngineCall, EngineOptions } from "./engine.js";
export {
  generate,
  generateAll,
  promptIds,
  textSequence,
  type Finish,
  type TextEvents,
  type TextRequest,
  type Written,
} from "./generate.js";
export { nativeEngine } from "./native_engine.js";
export { onnxEngine, type OnnxEngineOptions } from "./onnx_engine.js";
export { choose, greedy, type Sampling } from "./sample.js";
export { shownText, type ShownText } from "./stop.js";
