// `@tessera/tokenizer/train`: training of a byte-level BPE vocabulary.

export { countWords, type WordCounter } from "./train/count_words.js";
export type { WordCounts } from "./train/pair_counter.js";
export { trainBpe, type TrainingOptions } from "./train/train_bpe.js";
