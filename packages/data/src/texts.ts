// `@tessera/data/texts`: plain text in memory, as samples.

export { findTexts, textEndings, type TextFile } from "./texts/find_texts.js";
export { readTexts, type SkippedFile, type Text, type TextCollection } from "./texts/read_texts.js";
export {
  createTokenArray,
  tokenizeTexts,
  type Encoder,
  type TokenArray,
} from "./texts/tokenize_texts.js";
export {
  splitWindows,
  tokenWindows,
  type SplitWindows,
  type TokenWindows,
} from "./texts/windows.js";
