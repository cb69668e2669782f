// The text to encode, chunk by chunk.

import { kindOfCorpus } from "@tessera/files/corpus";
import {
  idsAfter,
  readChunks,
  splitAfterLine,
  splitFinderOf,
  type EncodeTask,
  type TextChunk,
} from "@tessera/tokenizer/batch";
import type { PreprocessOptions } from "./options.js";

export interface FileTask {
  readonly path: string;
  /** How much of the file this task has. */
  readonly read: number;
  /** Bytes of text. */
  readonly bytes: number;
  readonly task: EncodeTask;
  /** False for a chunk of a text that goes on. */
  readonly endsDocument: boolean;
}

/** Whether a file is JSON lines. Throws a UserError for one that is a table. */
export const isJsonLines = (path: string, format: PreprocessOptions["format"]): boolean =>
  format === undefined ? kindOfCorpus(path) === "lines" : format === "jsonl";

export async function* readTasks(options: PreprocessOptions): AsyncGenerator<FileTask> {
  const { inputs, format, keys, appendEnd, splitSentences, special, addSpecialTokens } = options;
  for (const path of inputs) {
    if (!isJsonLines(path, format)) {
      yield* readText(path, options);
      continue;
    }
    for await (const { bytes, read } of readChunks(path, splitAfterLine)) {
      const encoding = { appendEndOfText: appendEnd, addSpecialTokens, special };
      const lineOptions = { keys, splitSentences, ...encoding };
      const task: EncodeTask = { kind: "lines", bytes, options: lineOptions };
      yield { path, read, bytes: bytes.length, task, endsDocument: true };
    }
  }
}

/** A text is one document: its last chunk, which alone ends it, is known when none follows. */
async function* readText(path: string, options: PreprocessOptions): AsyncGenerator<FileTask> {
  const { appendEnd, special, addSpecialTokens, tokenizer } = options;
  const before = addSpecialTokens ? tokenizer.template.before : [];
  const after = idsAfter(tokenizer, { addSpecialTokens, appendEndOfText: appendEnd });
  let isFirst = true;
  const taskOf = ({ bytes, read }: TextChunk, isLast: boolean): FileTask => {
    const around = { before: isFirst ? before : [], after: isLast ? after : [] };
    isFirst = false;
    return {
      path,
      read,
      bytes: bytes.length,
      task: { kind: "text", bytes, options: { special, ...around } },
      endsDocument: isLast,
    };
  };
  let last: TextChunk | undefined;
  for await (const chunk of readChunks(path, splitFinderOf(tokenizer))) {
    if (last !== undefined) yield taskOf(last, false);
    last = chunk;
  }
  if (last !== undefined) yield taskOf(last, true);
}
