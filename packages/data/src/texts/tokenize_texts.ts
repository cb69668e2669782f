// Tokenizes texts into one array of ids, of the smallest type that holds them.

/** Token ids in memory, of one, two or four bytes each. */
export type TokenArray = Uint8Array | Uint16Array | Int32Array;

/** The part of a tokenizer that is used here; those of @tessera/tokenizer implement it. */
export interface Encoder {
  readonly vocabularySize: number;
  /** The id that ends a text; null where the tokenizer has none. */
  readonly endOfText: number | null;
  encode(text: string, options?: { readonly addSpecialTokens?: boolean }): Int32Array;
}

/** Allocates an array for `count` ids below `vocabularySize`. */
export function createTokenArray(count: number, vocabularySize: number): TokenArray {
  if (vocabularySize <= 2 ** 8) return new Uint8Array(count);
  if (vocabularySize <= 2 ** 16) return new Uint16Array(count);
  return new Int32Array(count);
}

/**
 * The ids of all texts, concatenated. Each text has around it what the tokenizer's file puts there, and ends with its
 * endOfText, if it has one.
 */
export function tokenizeTexts(
  texts: Iterable<{ readonly text: string }>,
  tokenizer: Encoder,
): TokenArray {
  const { vocabularySize, endOfText } = tokenizer;
  const parts: TokenArray[] = [];
  let count = 0;
  for (const { text } of texts) {
    const ids = tokenizer.encode(text, { addSpecialTokens: true });
    const isEnded = endOfText === null || ids.at(-1) === endOfText;
    const part = createTokenArray(ids.length + (isEnded ? 0 : 1), vocabularySize);
    part.set(ids);
    if (!isEnded) part[ids.length] = endOfText;
    parts.push(part);
    count += part.length;
  }
  const all = createTokenArray(count, vocabularySize);
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
