// `@tessera/tokenizer/batch`: many texts on several threads, and files larger than memory.

export type {
  EncodedDocuments,
  EncodedLines,
  LineError,
  LineOptions,
  TextOptions,
} from "./batch/documents.js";
export { idsAfter } from "./batch/documents.js";
export { encodeBatch, encodeFile } from "./batch/encode_batch.js";
export {
  createEncoderPool,
  type EncodedBatch,
  type EncoderPool,
  type EncodeTask,
} from "./batch/pool.js";
export { splitFinderOf, type FindSplit } from "./batch/split_point.js";
export { readChunks, splitAfterLine, type TextChunk } from "./batch/text_chunks.js";
