export { batchAt, type Batch } from "./batch.js";
export { sequentialOrder, shuffledOrder } from "./order.js";
export { readTexts, type SkippedFile, type Text, type TextCollection } from "./read_texts.js";
export type { SampleOrder, Samples } from "./samples.js";
export { findTexts, textEndings, type TextFile } from "./text_files.js";
export { tokenArray, tokensOf, type Encoder, type TokenArray } from "./tokens.js";
export { splitWindows, tokenWindows, type SplitWindows, type TokenWindows } from "./windows.js";
