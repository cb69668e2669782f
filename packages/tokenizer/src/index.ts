export { byteTokenizer } from "./bytes.js";
export { tokenizerByName, tokenizerNames, type TokenizerName } from "./by_name.js";
export { gpt2Tokenizer } from "./gpt2.js";
export { decodeStream, type TextStream, type Tokenizer } from "./tokenizer.js";
