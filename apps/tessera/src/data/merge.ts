// `tessera data merge`: several datasets as one file, one after another.

import { setImmediate as nextTurn } from "node:timers/promises";
import { EXIT, goOnUnread, text, UserError } from "@tessera/config";
import {
  createDatasetWriter,
  openIndexedDataset,
  type DatasetWriter,
  type IndexedDataset,
} from "@tessera/data/megatron";
import { defineCommand } from "../command.js";
import { runInterruptibly } from "../interrupt.js";
import { startProgress } from "../progress.js";

const program = {
  name: "tessera data merge",
  summary: "Makes one dataset of several, in the order given.",
  operands: [{ name: "PREFIX", help: "datasets, without .bin or .idx", many: true }],
  groups: { Output: { "output-prefix": text("PREFIX of the new .bin and .idx", "PREFIX") } },
} as const;

export const mergeCommand = defineCommand(program, (parsed) => {
  goOnUnread();
  const output = parsed.values["output-prefix"];
  if (output === undefined) throw new UserError("--output-prefix: name the dataset to write");
  return runInterruptibly((signal) => merge(parsed.operands, output, signal));
});

async function merge(
  prefixes: readonly string[],
  output: string,
  signal: AbortSignal,
): Promise<number> {
  const datasets = prefixes.map(openIndexedDataset);
  for (const dataset of datasets) dataset.verify();
  const [{ dtype }] = datasets as [IndexedDataset];
  const other = datasets.find((dataset) => dataset.dtype !== dtype);
  if (other !== undefined || (dtype !== "u16" && dtype !== "i32")) {
    throw new UserError(
      `${(other ?? datasets[0]!).prefix}: holds ${(other ?? datasets[0]!).dtype}, all must hold ` +
        "u16 or all i32: make it again with the same tokenizer",
    );
  }
  const total = datasets.reduce((sum, { tokenCount }) => sum + tokenCount, 0);
  const progress = startProgress({ stream: process.stderr, total, scale: 1e6, unit: "M tokens" });
  const writer = createDatasetWriter(output, dtype);
  try {
    let done = 0;
    for (const tokens of copyDocuments(datasets, writer)) {
      done += tokens;
      progress.update(done);
      if (tokens === 0) await nextTurn(); // signals arrive between them
      if (signal.aborted) return EXIT.interrupted;
    }
    progress.end();
    writer.finish();
    process.stderr.write(`${output}: ${total} tokens of ${datasets.length} datasets\n`);
    return EXIT.done;
  } finally {
    writer.abort();
    for (const dataset of datasets) dataset.close();
  }
}

/** Yields the number of tokens of each document once it is written, and now and then 0, for a pause. */
function* copyDocuments(
  datasets: readonly IndexedDataset[],
  writer: DatasetWriter,
): Generator<number> {
  for (const dataset of datasets) {
    for (let document = 0; document + 1 < dataset.bounds.length; document += 1) {
      yield copyDocument(dataset, document, writer);
      if (document % PAUSE_EVERY === 0) yield 0;
    }
  }
}

const PAUSE_EVERY = 1024;

function copyDocument(dataset: IndexedDataset, document: number, writer: DatasetWriter): number {
  const { bounds, lengths } = dataset;
  const end = bounds.at(document + 1);
  let tokens = 0;
  for (let sequence = bounds.at(document); sequence < end; sequence += 1) {
    const out = new Int32Array(lengths.at(sequence));
    dataset.read(sequence, 0, out.length, out);
    writer.append(out);
    writer.endSequence();
    tokens += out.length;
  }
  writer.endDocument();
  return tokens;
}
