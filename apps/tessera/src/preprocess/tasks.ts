// The text to encode, chunk by chunk.

import { readChunks, splitAfterLine, type EncodeTask } from "@tessera/tokenizer/batch";
import type { PreprocessOptions } from "./options.js";

export interface FileTask {
  readonly path: string;
  /** How much of the file this task has. */
  readonly bytes: number;
  readonly task: EncodeTask;
  /** False for a chunk of a text that goes on. */
  readonly endsDocument: boolean;
}

/** Whether a file is JSON lines. */
export const isJsonLines = (path: string, format: PreprocessOptions["format"]): boolean =>
  format === undefined ? /\.jsonl?$/i.test(path) : format === "jsonl";

export function* readTasks(options: PreprocessOptions): Generator<FileTask> {
  const { inputs, format, keys, appendEnd, splitSentences, special } = options;
  for (const path of inputs) {
    if (isJsonLines(path, format)) {
      for (const bytes of readChunks(path, splitAfterLine)) {
        const lineOptions = { keys, appendEndOfText: appendEnd, splitSentences, special };
        const task: EncodeTask = { kind: "lines", bytes, options: lineOptions };
        yield { path, bytes: bytes.length, task, endsDocument: true };
      }
    } else {
      yield* readText(path, options);
    }
  }
}

/** A text is one document: its last chunk, which alone ends it, is known when none follows. */
function* readText(path: string, { appendEnd, special }: PreprocessOptions): Generator<FileTask> {
  const taskOf = (bytes: Uint8Array, isLast: boolean): FileTask => ({
    path,
    bytes: bytes.length,
    task: { kind: "text", bytes, options: { appendEndOfText: appendEnd && isLast, special } },
    endsDocument: isLast,
  });
  let last: Uint8Array | undefined;
  for (const bytes of readChunks(path)) {
    if (last !== undefined) yield taskOf(last, false);
    last = bytes;
  }
  if (last !== undefined) yield taskOf(last, true);
}
