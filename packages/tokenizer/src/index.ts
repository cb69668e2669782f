export { bpeTokenizer, type BpeTokenizer } from "./bpe/bpe_tokenizer.js";
export type { IdList } from "./bpe/id_list.js";
export { specialTokens, type AddedToken } from "./bpe/added_token.js";
export type { BpeModel } from "./bpe/model.js";
export type { Merges } from "./bpe/pair_table.js";
export type { NormalForm } from "./bpe/normalize.js";
export type { PreTokenizerStep } from "./bpe/pre_tokenizer.js";
export type { Split, SplitBehavior } from "./bpe/split.js";
export { tokenBytes, tokenCount, type TokenList } from "./bpe/token_list.js";
export { byteModel, byteTokenizer } from "./byte_tokenizer.js";
export { gpt2Model, gpt2Tokenizer } from "./formats/gpt2.js";
export { saveTokenizer } from "./formats/tokenizer_files.js";
export { readTokenizerJson, writeTokenizerJson } from "./formats/tokenizer_json.js";
export type { KnownPattern } from "./bpe/known_patterns.js";
export { readSentencePiece } from "./formats/sentencepiece.js";
export { readTiktoken, tiktokenPatterns, type TiktokenOptions } from "./formats/tiktoken.js";
export { readVocabMerges } from "./formats/vocabulary_files.js";
export {
  hasTokenizer,
  openTokenizer,
  tokenizerByName,
  tokenizerNames,
  type OpenOptions,
  type TokenizerName,
} from "./open_tokenizer.js";
export { paddedVocabularySize } from "./padded_vocabulary.js";
export { tokenOffsets } from "./token_offsets.js";
export {
  decodeStream,
  type EncodeOptions,
  type Template,
  type TextStream,
  type Tokenizer,
} from "./tokenizer.js";
