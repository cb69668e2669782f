// What is made of encoded documents: datasets, and lines for the user.

import { UserError } from "@tessera/config";
import type { DatasetWriter } from "@tessera/data/megatron";
import type { EncodedBatch, EncodedDocuments } from "@tessera/tokenizer/batch";
import { startProgress } from "../progress.js";
import type { PreprocessOptions } from "./options.js";
import type { FileTask } from "./tasks.js";

/** Lines left out that are reported; further ones are only counted. */
const MAX_REPORTED = 20;

/** A dataset for each key, named as Megatron names them. */
export const prefixesOf = ({
  prefix,
  keys,
  splitSentences,
}: Pick<PreprocessOptions, "prefix" | "keys" | "splitSentences">): readonly string[] =>
  keys.map((key) => `${prefix}_${key}_${splitSentences ? "sentence" : "document"}`);

/** Writes encoded documents, and reports progress and lines that were left out. */
export function createCollector(
  { stream, strict, maxDocuments, logInterval, ...options }: PreprocessOptions,
  writers: readonly DatasetWriter[],
  total: number,
) {
  const progress = startProgress({ stream, total, scale: 1e6, unit: "MB" });
  const began = performance.now();
  const count = { read: 0, bytes: 0, documents: 0, tokens: 0, faults: 0, lines: 0 };
  let path = "";
  const reportFault = (where: string, reason: string) => {
    if (strict) throw new UserError(`${where}: ${reason}`);
    count.faults += 1;
    if (count.faults <= MAX_REPORTED) stream.write(`${where}: ${reason}, left out\n`);
  };
  const report = (): void => {
    const seconds = (performance.now() - began) / 1000;
    stream.write(
      `Processed ${count.documents} documents (${(count.documents / seconds).toFixed(0)} docs/s, ` +
        `${(count.bytes / 1e6 / seconds).toFixed(1)} MB/s).\n`,
    );
  };
  return {
    /** Whether there are as many documents as are wanted. */
    isFull: () => count.documents >= maxDocuments,
    add(task: FileTask, { documents, errors, lines }: EncodedBatch) {
      if (task.path !== path) count.lines = 0;
      path = task.path;
      for (const { line, reason } of errors)
        reportFault(`${path}: line ${count.lines + line + 1}`, reason);
      count.lines += lines;
      const before = count.documents;
      for (const [key, all] of documents.entries()) {
        const some = takeDocuments(all, maxDocuments - before);
        const writer = writers[key]!;
        if (task.task.kind === "lines") writer.appendDocuments(some.ids, some);
        else writer.append(some.ids);
        if (task.task.kind === "text" && task.endsDocument) writer.endDocument();
        count.tokens += some.ids.length;
      }
      const [{ lengths, sequences }] = documents as [EncodedDocuments];
      count.read += task.read;
      count.bytes += task.bytes;
      const ended = task.endsDocument ? (sequences ?? lengths).length : 0;
      count.documents = Math.min(maxDocuments, before + ended);
      progress.update(count.read);
      if (Math.floor(count.documents / logInterval) > Math.floor(before / logInterval)) report();
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

/** The first `count` of the documents. */
function takeDocuments(
  { ids, lengths, sequences }: EncodedDocuments,
  count: number,
): EncodedDocuments {
  if ((sequences ?? lengths).length <= count) return { ids, lengths, sequences };
  const sum = (numbers: Int32Array): number => numbers.reduce((a, b) => a + b, 0);
  const some = lengths.subarray(0, sequences === null ? count : sum(sequences.subarray(0, count)));
  return {
    ids: ids.subarray(0, sum(some)),
    lengths: some,
    sequences: sequences?.subarray(0, count) ?? null,
  };
}
