// Many texts at once, and texts larger than memory.

import { createEncoderPool } from "./pool.js";
import type { BpeTokenizer } from "../bpe/bpe_tokenizer.js";
import type { EncodedDocuments } from "./documents.js";
import { splitFinderOf } from "./split_point.js";
import { readChunks } from "./text_chunks.js";
import type { EncodeOptions, Tokenizer } from "../tokenizer.js";

/** Enough that a thread with longer texts does not delay the end. */
const TASKS_PER_THREAD = 8;

/**
 * The ids of each of `texts`, in their order, encoded by `threads` threads.
 *
 * @throws UserError for a special token where `special` is "refuse".
 */
export async function encodeBatch(
  tokenizer: Tokenizer,
  texts: readonly string[],
  { threads, ...options }: EncodeOptions & { readonly threads: number },
): Promise<readonly Int32Array[]> {
  const pool = createEncoderPool(tokenizer, threads);
  const size = Math.ceil(texts.length / (TASKS_PER_THREAD * threads));
  const slices: (readonly string[])[] = [];
  for (let at = 0; at < texts.length; at += size) slices.push(texts.slice(at, at + size));
  try {
    const batches = await Promise.all(
      slices.map((slice) => pool.encode({ kind: "texts", texts: slice, options })),
    );
    return batches.flatMap(({ documents }) => documents.flatMap(splitDocuments));
  } finally {
    await pool.close();
  }
}

function splitDocuments({ ids, lengths }: EncodedDocuments): readonly Int32Array[] {
  let at = 0;
  return Array.from(lengths, (length) => {
    const document = Int32Array.from(ids.subarray(at, at + length));
    at += length;
    return document;
  });
}

/**
 * The ids of the text in a file, chunk by chunk; memory does not grow with the file, unless the tokenizer's rules need
 * the whole text.
 *
 * @throws UserError where the file cannot be read.
 */
export async function* encodeFile(
  tokenizer: BpeTokenizer,
  path: string,
): AsyncGenerator<Int32Array> {
  for await (const { bytes } of readChunks(path, splitFinderOf(tokenizer))) {
    yield tokenizer.encodeBytes(bytes);
  }
}
