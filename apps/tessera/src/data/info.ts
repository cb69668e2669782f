// `tessera data info`: what a dataset holds.

import { EXIT, number, toggle, UserError } from "@tessera/config";
import { openIndexedDataset, type IndexedDataset } from "@tessera/data/megatron";
import { chooseTokenizer, tokenizerFlags } from "@tessera/tokenizer/flags";
import { defineCommand } from "../command.js";

const program = {
  name: "tessera data info",
  summary: "Shows what a dataset holds.",
  operands: [{ name: "PREFIX", help: "the dataset, without .bin or .idx" }],
  groups: {
    Sample: {
      ...tokenizerFlags("gpt2"),
      document: number("which is shown as text, from 0", { min: 0, whole: true }, 0),
      tokens: number("how many of its tokens", { min: 0, max: 1e6, whole: true }, 64),
    },
    Output: { json: toggle("as JSON", false) },
  },
} as const;

export const infoCommand = defineCommand(program, ({ values, operands }) => {
  const dataset = openIndexedDataset(operands[0]!);
  dataset.verify();
  const documents = dataset.bounds.length - 1;
  if (values.document >= documents) {
    throw new UserError(`--document ${values.document}: there are ${documents}, from 0`);
  }
  const info = {
    documents,
    sequences: dataset.lengths.length,
    dtype: dataset.dtype,
    ...measureLengths(dataset),
    sample: chooseTokenizer(values, "gpt2").decode(
      firstTokens(dataset, values.document, values.tokens),
    ),
  };
  dataset.close();
  process.stdout.write(values.json ? `${JSON.stringify(info)}\n` : describe(info));
  return EXIT.done;
});

interface Lengths {
  readonly tokens: number;
  readonly shortest: number;
  readonly longest: number;
  /** Sequences with fewer tokens than each power of two, and not fewer than the one before. */
  readonly histogram: readonly { readonly below: number; readonly sequences: number }[];
}

const CHUNK = 2 ** 18;

function measureLengths({ lengths }: IndexedDataset): Lengths {
  const counts: number[] = Array.from({ length: 32 }, () => 0);
  let [tokens, shortest, longest] = [0, Infinity, 0];
  for (let start = 0; start < lengths.length; start += CHUNK) {
    for (const length of lengths.slice(start, Math.min(start + CHUNK, lengths.length))) {
      tokens += length;
      shortest = Math.min(shortest, length);
      longest = Math.max(longest, length);
      counts[32 - Math.clz32(length)]! += 1;
    }
  }
  const histogram = counts.map((sequences, i) => ({ below: 2 ** i, sequences }));
  const first = histogram.findIndex(({ sequences }) => sequences > 0);
  const last = histogram.findLastIndex(({ sequences }) => sequences > 0);
  return { tokens, shortest, longest, histogram: histogram.slice(first, last + 1) };
}

function firstTokens(dataset: IndexedDataset, document: number, count: number): Int32Array {
  const { bounds, lengths } = dataset;
  const [first, end] = [bounds.at(document), bounds.at(document + 1)];
  if (first === end) return new Int32Array();
  const out = new Int32Array(Math.min(count, lengths.at(first)));
  dataset.read(first, 0, out.length, out);
  return out;
}

const BAR = 40;

function describe(
  info: Lengths & { documents: number; sequences: number; dtype: string; sample: string },
): string {
  const { documents, sequences, dtype, tokens, shortest, longest, histogram, sample } = info;
  const most = Math.max(...histogram.map((bin) => bin.sequences));
  const mean = (tokens / sequences).toFixed(1);
  const lines = [
    `documents  ${documents}`,
    ...(sequences === documents ? [] : [`sequences  ${sequences}`]),
    `tokens     ${tokens} (${dtype})`,
    `lengths    ${shortest} to ${longest}, ${mean} on average`,
    ...histogram.map(
      ({ below, sequences: n }) =>
        `${`< ${below}`.padStart(12)} ${"#".repeat(Math.ceil((BAR * n) / most)).padEnd(BAR)} ${n}`,
    ),
    `sample     ${JSON.stringify(sample)}`,
  ];
  return `${lines.join("\n")}\n`;
}
