// The bytes of all tokens of a vocabulary in one buffer: fifty thousand arrays would be slow to make, and to send to
// threads.

/** The bytes of tokens, by id. */
export interface TokenList {
  readonly bytes: Uint8Array;
  /** Token i is bytes[starts[i], starts[i + 1]); an unused id is empty. */
  readonly starts: Int32Array;
}

/** Number of ids, unused ones included. */
export const tokenCount = ({ starts }: TokenList): number => starts.length - 1;

/** The bytes of token `id`, borrowed; empty for an unused id. */
export const tokenBytes = ({ bytes, starts }: TokenList, id: number): Uint8Array =>
  bytes.subarray(starts[id], starts[id + 1]);

/** The list of `tokens`, by index; undefined for an unused id. */
export function createTokenList(tokens: readonly (Uint8Array | undefined)[]): TokenList {
  const starts = new Int32Array(tokens.length + 1);
  for (let id = 0; id < tokens.length; id += 1) {
    starts[id + 1] = starts[id]! + (tokens[id]?.length ?? 0);
  }
  const bytes = new Uint8Array(starts[tokens.length]!);
  for (let id = 0; id < tokens.length; id += 1) bytes.set(tokens[id] ?? [], starts[id]);
  return { bytes, starts };
}

/** All tokens in the order of their ids, borrowed. */
export const allTokens = (list: TokenList): readonly Uint8Array[] =>
  Array.from({ length: tokenCount(list) }, (_, id) => tokenBytes(list, id));
