// Encodes files into datasets: threads encode chunks, which are written in their order.

import { EXIT, UserError } from "@tessera/config";
import { isOwnDescriptor, statPath } from "@tessera/files";
import { createDatasetWriter, tokenDtype, type DatasetWriter } from "@tessera/data/megatron";
import { createEncoderPool, type EncodedBatch } from "@tessera/tokenizer/batch";
import { createCollector, prefixesOf } from "./collector.js";
import type { PreprocessOptions } from "./options.js";
import { isJsonLines, readTasks, type FileTask } from "./tasks.js";

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
      collector.add(task, await batch.catch((error: unknown) => refuseFile(task.path, error)));
    };
    for await (const task of readTasks(options)) {
      if (options.signal.aborted) return EXIT.interrupted;
      if (collector.isFull()) break;
      const batch = pool.encode(task.task);
      batch.catch(() => undefined); // it may fail before its turn comes, which is when that is told
      pending.push({ task, batch });
      if (pending.length > AHEAD * workers) await settleFirst();
    }
    while (pending.length > 0 && !options.signal.aborted && !collector.isFull())
      await settleFirst();
    if (options.signal.aborted) return EXIT.interrupted;
    collector.finish();
    return EXIT.done;
  } finally {
    for (const writer of writers) writer.abort();
    await pool.close();
  }
}

function refuseFile(path: string, error: unknown): never {
  throw error instanceof UserError ? new UserError(`${path}: ${error.message}`) : error;
}

function fileSize(path: string): number {
  const stats = statPath(path);
  if (stats === undefined) throw new UserError(`--input ${path}: there is no such file`);
  if (stats.isDirectory()) throw new UserError(`--input ${path}: is a folder, name its files`);
  if (!stats.isFile() && !isOwnDescriptor(path)) {
    throw new UserError(`--input ${path}: is not a regular file`);
  }
  return stats.size;
}
