// Many texts at once, and texts larger than memory.

import { encoderPool } from "./pool.js";
import type { BpeTokenizer } from "./bpe.js";
import type { EncodedDocuments } from "./documents.js";
import { fileChunks } from "./text_chunks.js";
import type { EncodeOptions, Tokenizer } from "./tokenizer.js";

/** Tasks per thread: enough that a thread with longer texts holds nobody up. */
const SHARES = 8;

/** The ids of each of `texts`, in their order, encoded by `threads` threads. */
export async function encodeBatch(
  tokenizer: Tokenizer,
  texts: readonly string[],
  { threads, ...options }: EncodeOptions & { readonly threads: number },
): Promise<readonly Int32Array[]> {
  const pool = encoderPool(tokenizer, threads);
  const size = Math.ceil(texts.length / (SHARES * threads));
  const shares: (readonly string[])[] = [];
  for (let at = 0; at < texts.length; at += size) shares.push(texts.slice(at, at + size));
  try {
    const batches = await Promise.all(
      shares.map((share) => pool.encode({ kind: "texts", texts: share, options })),
    );
    return batches.flatMap(({ documents }) => documents.flatMap(apart));
  } finally {
    await pool.close();
  }
}

function apart({ ids, lengths }: EncodedDocuments): readonly Int32Array[] {
  let at = 0;
  return Array.from(lengths, (length) => {
    const document = Int32Array.from(ids.subarray(at, at + length));
    at += length;
    return document;
  });
}

/** The ids of the file's text, some at a time; memory does not grow with the file. */
export function* encodeFile(tokenizer: BpeTokenizer, path: string): Generator<Int32Array> {
  for (const chunk of fileChunks(path)) yield tokenizer.encodeBytes(chunk);
}
