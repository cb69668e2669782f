// Encodes files into datasets: threads encode chunks, which are written in their order.

import { statSync } from "node:fs";
import { EXIT, UserError } from "@tessera/config";
import { createDatasetWriter, tokenDtype, type DatasetWriter } from "@tessera/data/megatron";
import {
  createEncoderPool,
  type EncodedBatch,
  type EncodedDocuments,
} from "@tessera/tokenizer/batch";
import { startProgress } from "../progress.js";
import type { PreprocessOptions } from "./options.js";
import { isJsonLines, readTasks, type FileTask } from "./tasks.js";

/** Lines left out that are reported; further ones are only counted. */
const MAX_REPORTED = 20;
/** Chunks that are read ahead, per thread. */
const AHEAD = 3;

/** Returns an exit code. Whatever ends it early, nothing is left under the final names. */
export async function preprocess(options: PreprocessOptions): Promise<number> {
  const { inputs, format, tokenizer, workers } = options;
  const plain = inputs.find((path) => !isJsonLines(path, format));
  if (options.splitSentences && plain !== undefined) {
    throw new UserError(`--split-sentences: is for JSON lines, ${plain} is plain text`);
  }
  const bytes = inputs.map(fileSize).reduce((a, b) => a + b, 0);
  const dtype = tokenDtype(tokenizer.vocabularySize);
  const writers: DatasetWriter[] = [];
  const pool = createEncoderPool(tokenizer, workers);
  try {
    for (const prefix of prefixesOf(options)) writers.push(createDatasetWriter(prefix, dtype));
    const collector = createCollector(options, writers, bytes);
    const pending: { task: FileTask; batch: Promise<EncodedBatch> }[] = [];
    const settleFirst = async () => {
      const { task, batch } = pending.shift()!;
      collector.add(task, await batch);
    };
    for (const task of readTasks(options)) {
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

function fileSize(path: string): number {
  const stats = statSync(path, { throwIfNoEntry: false });
  if (stats === undefined) throw new UserError(`--input ${path}: there is no such file`);
  if (stats.isDirectory()) throw new UserError(`--input ${path}: is a folder, name its files`);
  return stats.size;
}

/** Writes encoded documents, and reports progress and lines that were left out. */
function createCollector(
  { stream, strict, ...options }: PreprocessOptions,
  writers: readonly DatasetWriter[],
  total: number,
) {
  const progress = startProgress({ stream, total, scale: 1e6, unit: "MB" });
  const began = performance.now();
  const count = { bytes: 0, documents: 0, tokens: 0, faults: 0, lines: 0 };
  let path = "";
  const reportFault = (where: string, reason: string) => {
    if (strict) throw new UserError(`${where}: ${reason}`);
    count.faults += 1;
    if (count.faults <= MAX_REPORTED) stream.write(`${where}: ${reason}, left out\n`);
  };
  return {
    add(task: FileTask, { documents, errors, lines }: EncodedBatch) {
      if (task.path !== path) count.lines = 0;
      path = task.path;
      for (const { line, reason } of errors)
        reportFault(`${path}: line ${count.lines + line + 1}`, reason);
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
