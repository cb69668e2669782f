export { bpeTokenizer, type BpeTokenizer } from "./bpe/bpe_tokenizer.js";
export type { IdList } from "./bpe/id_list.js";
export type { BpeModel } from "./bpe/model.js";
export type { Merges } from "./bpe/pair_table.js";
export type { Pattern } from "./bpe/pattern.js";
export { tokenBytes, tokenCount, type TokenList } from "./bpe/token_list.js";
export { byteModel, byteTokenizer } from "./byte_tokenizer.js";
export { gpt2Model, gpt2Tokenizer } from "./formats/gpt2.js";
export { readTokenizerJson, writeTokenizerJson } from "./formats/tokenizer_json.js";
export { readTiktoken, readVocabMerges, type TiktokenOptions } from "./formats/vocabulary_files.js";
export {
  openTokenizer,
  tokenizerByName,
  tokenizerNames,
  type TokenizerName,
} from "./open_tokenizer.js";
export { paddedVocabularySize } from "./padded_vocabulary.js";
export { tokenOffsets } from "./token_offsets.js";
export { decodeStream, type EncodeOptions, type TextStream, type Tokenizer } from "./tokenizer.js";
