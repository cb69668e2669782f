// Patterns of well-known tokenizers, in Oniguruma's syntax.

const CONTRACTIONS = "(?i:'s|'t|'re|'ve|'m|'ll|'d)";
const UPPER = String.raw`[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]`;
const LOWER = String.raw`[\p{Ll}\p{Lm}\p{Lo}\p{M}]`;
const FIRST = String.raw`[^\r\n\p{L}\p{N}]?`;
const SYMBOLS = String.raw` ?[^\s\p{L}\p{N}]+`;
const SPACES = String.raw`\s+(?!\S)|\s+`;

/** `name` is also that of the rank files which are split by it. */
export const knownPatterns = {
  gpt2: String.raw`'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+|${SYMBOLS}|${SPACES}`,
  cl100k_base:
    String.raw`'(?i:[sdmt]|ll|ve|re)|${FIRST}\p{L}+|\p{N}{1,3}|${SYMBOLS}[\r\n]*|\s+\z|\s*[\r\n]|` +
    String.raw`\s+(?!\S)|\s`,
  o200k_base: [
    `${FIRST}${UPPER}*${LOWER}+${CONTRACTIONS}?`,
    `${FIRST}${UPPER}+${LOWER}*${CONTRACTIONS}?`,
    String.raw`\p{N}{1,3}|${SYMBOLS}[\r\n/]*|\s*[\r\n]+|${SPACES}`,
  ].join("|"),
  llama3: String.raw`${CONTRACTIONS}|${FIRST}\p{L}+|\p{N}{1,3}|${SYMBOLS}[\r\n]*|\s*[\r\n]+|${SPACES}`,
  qwen2: String.raw`${CONTRACTIONS}|${FIRST}\p{L}+|\p{N}|${SYMBOLS}[\r\n]*|\s*[\r\n]+|${SPACES}`,
} as const;

/** The name of a pre-tokenizer's pattern that is built in. */
export type KnownPattern = keyof typeof knownPatterns;

const texts: ReadonlySet<string> = new Set(Object.values(knownPatterns));

/** Whether `regex` takes time that grows with the length of a text, and no piece goes on over `findSplitPoint`. */
export const isKnownPattern = (regex: string): boolean => texts.has(regex);
