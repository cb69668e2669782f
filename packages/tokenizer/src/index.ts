export { bpeTokenizer, type BpeTokenizer } from "./bpe.js";
export { byteTokenizer } from "./bytes.js";
export { tokenizerByName, tokenizerNames, type TokenizerName } from "./by_name.js";
export { gpt2Model, gpt2Tokenizer } from "./gpt2.js";
export type { BpeModel } from "./model.js";
export type { Pattern } from "./pattern.js";
export { decodeStream, type EncodeOptions, type TextStream, type Tokenizer } from "./tokenizer.js";
