// `tessera data order`: the indices that training would read by, and samples.

import { EXIT, flag, parseFlags, toggle, UserError } from "@tessera/config";
import type { GptDataset, NumberArray } from "@tessera/data";
import type { Command } from "../command.js";
import { openSamples, sampleFlags } from "./open.js";

const program = {
  name: "tessera data order",
  summary: "Shows in which order training reads a dataset.",
  operands: [{ name: "PREFIX", help: "the dataset, without .bin or .idx" }],
  groups: {
    Samples: {
      ...sampleFlags,
      sample: flag<readonly number[]>("samples whose tokens are shown", "I,J", [], numbersOf),
    },
    Output: { json: toggle("all of it, as JSON", false) },
  },
} as const;

function numbersOf(text: string): readonly number[] {
  if (!/^\d+(,\d+)*$/.test(text)) throw new UserError("must be numbers of samples, as in 0,17");
  return text.split(",").map(Number);
}

export const orderCommand: Command = {
  name: program.name,
  summary: program.summary,
  async run(argv) {
    const parsed = parseFlags(program, argv);
    if ("help" in parsed) {
      process.stdout.write(parsed.help);
      return EXIT.done;
    }
    const { values, operands } = parsed;
    const dataset = await openSamples(operands[0]!, values);
    const samples = values.sample.map((index) => [index, tokensOf(dataset, index)] as const);
    const order = {
      length: dataset.count,
      doc_idx: all(dataset.documentIndex),
      sample_idx: pairs(all(dataset.sampleIndex)),
      shuffle_idx: all(dataset.shuffleIndex),
      samples: Object.fromEntries(samples),
    };
    dataset.close();
    process.stdout.write(values.json ? `${JSON.stringify(order)}\n` : overview(order));
    return EXIT.done;
  },
};

function tokensOf(dataset: GptDataset, index: number): readonly number[] {
  if (index >= dataset.count) {
    throw new UserError(`--sample ${index}: there are ${dataset.count} samples, from 0`);
  }
  const out = new Int32Array(dataset.length + 1);
  dataset.read(index, out);
  return [...out];
}

const all = (array: NumberArray): readonly number[] => [...array.slice(0, array.length)];

const pairs = (values: readonly number[]): readonly (readonly [number, number])[] =>
  Array.from({ length: values.length / 2 }, (_, i) => [values[2 * i]!, values[2 * i + 1]!]);

interface Order {
  readonly length: number;
  readonly doc_idx: readonly number[];
  readonly sample_idx: readonly (readonly [number, number])[];
  readonly shuffle_idx: readonly number[];
  readonly samples: Readonly<Record<string, readonly number[]>>;
}

const SHOWN = 16;

function overview({ length, doc_idx, sample_idx, shuffle_idx, samples }: Order): string {
  const first = (values: readonly unknown[]) =>
    values.slice(0, SHOWN).join(" ") + (values.length > SHOWN ? " ..." : "");
  const lines = [
    `${length} samples of ${doc_idx.length} documents; --json shows all`,
    `documents  ${first(doc_idx)}`,
    `samples    ${first(sample_idx.map((pair) => pair.join(":")))}`,
    `order      ${first(shuffle_idx)}`,
    ...Object.entries(samples).map(([index, tokens]) => `sample ${index}: ${tokens.join(" ")}`),
  ];
  return `${lines.join("\n")}\n`;
}
