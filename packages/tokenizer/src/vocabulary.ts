// The tokens of a byte-level BPE, in the order in which they were learned.

/**
 * Bytes are looked up as binary strings (one character per byte), which a Map can hash. An id is
 * also a rank: the token with the lower id is merged first.
 */
export interface Vocabulary {
  readonly idOf: ReadonlyMap<string, number>;
  readonly bytes: readonly Uint8Array[];
  /** Bytes in the longest token. */
  readonly longest: number;
}

/** Reads the rank file of tiktoken: a line per token, its bytes in base64, a space, its id. */
export function parseRanks(file: string): Vocabulary {
  const idOf = new Map<string, number>();
  const bytes: Uint8Array[] = [];
  let longest = 0;
  for (const line of file.split("\n")) {
    const space = line.indexOf(" ");
    if (space < 0) continue;
    const id = Number(line.slice(space + 1));
    const token = Buffer.from(line.slice(0, space), "base64");
    idOf.set(token.toString("latin1"), id);
    bytes[id] = token;
    longest = Math.max(longest, token.length);
  }
  return { idOf, bytes, longest };
}
