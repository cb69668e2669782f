// Files in, datasets out: chunks go to threads that encode, and come back in order to be written.

import { statSync } from "node:fs";
import { EXIT, UserError } from "@tessera/config";
import { createDatasetWriter, tokenDtype, type DatasetWriter } from "@tessera/data/megatron";
import type { Tokenizer } from "@tessera/tokenizer";
import {
  createEncoderPool,
  type EncodedBatch,
  type EncodedDocuments,
} from "@tessera/tokenizer/batch";
import { progressOf } from "../progress.js";
import { hasLines, tasksOf, type FileTask } from "./tasks.js";

export interface PreprocessOptions {
  readonly inputs: readonly string[];
  /** By each file's ending where undefined. */
  readonly format: "jsonl" | "text" | undefined;
  readonly keys: readonly string[];
  readonly prefix: string;
  readonly tokenizer: Tokenizer;
  readonly workers: number;
  readonly appendEnd: boolean;
  readonly splitSentences: boolean;
  readonly special: "text" | "allow" | "refuse";
  readonly strict: boolean;
  readonly signal: AbortSignal;
  readonly stream: NodeJS.WriteStream;
}

/** Faults beyond these are only counted. */
const TOLD_FAULTS = 20;
/** Chunks that are read ahead for each thread. */
const AHEAD = 3;

/** Returns an exit code. Whatever ends it early, nothing is left under the final names. */
export async function preprocess(options: PreprocessOptions): Promise<number> {
  const { inputs, format, tokenizer, workers } = options;
  const plain = inputs.find((path) => !hasLines(path, format));
  if (options.splitSentences && plain !== undefined) {
    throw new UserError(`--split-sentences: is for JSON lines, ${plain} is plain text`);
  }
  const bytes = inputs.map(sizeOf).reduce((a, b) => a + b, 0);
  const dtype = tokenDtype(tokenizer.vocabularySize);
  const writers: DatasetWriter[] = [];
  const pool = createEncoderPool(tokenizer, workers);
  try {
    for (const prefix of prefixesOf(options)) writers.push(createDatasetWriter(prefix, dtype));
    const collector = collectorOf(options, writers, bytes);
    const pending: { task: FileTask; batch: Promise<EncodedBatch> }[] = [];
    const settleFirst = async () => {
      const { task, batch } = pending.shift()!;
      collector.add(task, await batch);
    };
    for (const task of tasksOf(options)) {
      if (options.signal.aborted) return EXIT.interrupted;
      pending.push({ task, batch: pool.encode(task.task) });
      if (pending.length > AHEAD * workers) await settleFirst();
    }
    while (pending.length > 0 && !options.signal.aborted) await settleFirst();
    if (options.signal.aborted) return EXIT.interrupted;
    collector.finish();
    return EXIT.done;
  } finally {
    for (const writer of writers) writer.abort();
    await pool.close();
  }
}

/** A dataset for each key, named as Megatron names them. */
const prefixesOf = ({
  prefix,
  keys,
  splitSentences,
}: Pick<PreprocessOptions, "prefix" | "keys" | "splitSentences">): readonly string[] =>
  keys.map((key) => `${prefix}_${key}_${splitSentences ? "sentence" : "document"}`);

function sizeOf(path: string): number {
  const stats = statSync(path, { throwIfNoEntry: false });
  if (stats === undefined) throw new UserError(`--input ${path}: there is no such file`);
  if (stats.isDirectory()) throw new UserError(`--input ${path}: is a folder, name its files`);
  return stats.size;
}

/** Writes what was encoded, and tells of it. */
function collectorOf(
  { stream, strict, ...options }: PreprocessOptions,
  writers: readonly DatasetWriter[],
  total: number,
) {
  const progress = progressOf({ stream, total, scale: 1e6, unit: "MB" });
  const began = performance.now();
  const count = { bytes: 0, documents: 0, tokens: 0, faults: 0, lines: 0 };
  let path = "";
  const tell = (where: string, reason: string) => {
    if (strict) throw new UserError(`${where}: ${reason}`);
    count.faults += 1;
    if (count.faults <= TOLD_FAULTS) stream.write(`${where}: ${reason}, left out\n`);
  };
  return {
    add(task: FileTask, { documents, errors, lines }: EncodedBatch) {
      if (task.path !== path) count.lines = 0;
      path = task.path;
      for (const { line, reason } of errors)
        tell(`${path}: line ${count.lines + line + 1}`, reason);
      count.lines += lines;
      for (const [key, some] of documents.entries()) {
        const writer = writers[key]!;
        if (task.task.kind === "lines") writer.appendDocuments(some.ids, some);
        else writer.append(some.ids);
        if (task.task.kind === "text" && task.endsDocument) writer.endDocument();
        count.tokens += some.ids.length;
      }
      const [{ lengths, sequences }] = documents as [EncodedDocuments];
      count.bytes += task.bytes;
      count.documents += task.endsDocument ? (sequences ?? lengths).length : 0;
      progress.update(count.bytes);
    },
    finish() {
      progress.end();
      for (const writer of writers) writer.finish();
      const seconds = (performance.now() - began) / 1000;
      const left = count.faults === 0 ? "" : `, ${count.faults} lines left out`;
      stream.write(
        `${prefixesOf(options).join(", ")}: ${count.documents} documents, ` +
          `${count.tokens} tokens of ${(count.bytes / 1e6).toFixed(1)} MB in ${seconds.toFixed(1)} s ` +
          `(${(count.bytes / 1e6 / seconds).toFixed(1)} MB/s)${left}\n`,
      );
    },
  };
}
