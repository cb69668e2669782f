// The bytes of a vocabulary's tokens, side by side in one piece of memory: fifty thousand arrays would
// take long to make, and to send to threads.

export interface TokenList {
  readonly bytes: Uint8Array;
  /** Id i's bytes begin at starts[i] and end before starts[i + 1]; an id that nothing has is empty. */
  readonly starts: Int32Array;
}

export const tokenCount = ({ starts }: TokenList): number => starts.length - 1;

/** The bytes of `id`, borrowed; empty for an id that nothing has. */
export const tokenAt = ({ bytes, starts }: TokenList, id: number): Uint8Array =>
  bytes.subarray(starts[id], starts[id + 1]);

/** A list of what stands at each index. */
export function tokenList(tokens: readonly (Uint8Array | undefined)[]): TokenList {
  const starts = new Int32Array(tokens.length + 1);
  for (let id = 0; id < tokens.length; id += 1) {
    starts[id + 1] = starts[id]! + (tokens[id]?.length ?? 0);
  }
  const bytes = new Uint8Array(starts[tokens.length]!);
  for (let id = 0; id < tokens.length; id += 1) bytes.set(tokens[id] ?? [], starts[id]);
  return { bytes, starts };
}

/** All tokens in the order of their ids, borrowed. */
export const eachToken = (list: TokenList): readonly Uint8Array[] =>
  Array.from({ length: tokenCount(list) }, (_, id) => tokenAt(list, id));
