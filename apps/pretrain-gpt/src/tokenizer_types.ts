// Megatron's names of tokenizers, by what opens them.

export const TOKENIZERS = {
  GPT2BPETokenizer: "gpt2",
  HuggingFaceTokenizer: "folder",
  HFTokenizer: "folder",
  GPTSentencePieceTokenizer: "sentencepiece",
  Llama2Tokenizer: "sentencepiece",
  NullTokenizer: "none",
} as const;

export const tokenizerTypes = Object.keys(TOKENIZERS) as (keyof typeof TOKENIZERS)[];
