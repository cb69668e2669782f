// `tessera data order`: the index arrays by which training would read a dataset, and samples.

import { pipeline } from "node:stream/promises";
import { EXIT, flag, toggle, UserError } from "@tessera/config";
import type { GptDataset, NumberArray, Numbers } from "@tessera/data/megatron";
import { defineCommand } from "../command.js";
import { openSamples, sampleFlags } from "./open.js";

const program = {
  name: "tessera data order",
  summary: "Shows in which order training reads a dataset.",
  operands: [{ name: "PREFIX", help: "the dataset, without .bin or .idx" }],
  groups: {
    Samples: {
      ...sampleFlags,
      sample: flag<readonly number[]>("samples whose tokens are shown", "I,J", [], parseNumbers),
    },
    Output: { json: toggle("all of it, as JSON", false) },
  },
} as const;

function parseNumbers(text: string): readonly number[] {
  if (!/^\d+(,\d+)*$/.test(text)) throw new UserError("must be numbers of samples, as in 0,17");
  return text.split(",").map(Number);
}

export const orderCommand = defineCommand(program, async ({ values, operands }) => {
  const dataset = await openSamples(operands[0]!, values);
  const samples = values.sample.map((index) => [index, tokensOf(dataset, index)] as const);
  if (values.json) await pipeline(writeJson(dataset, samples), process.stdout, { end: false });
  else process.stdout.write(describe(dataset, samples));
  dataset.close();
  return EXIT.done;
});

function tokensOf(dataset: GptDataset, index: number): readonly number[] {
  if (index >= dataset.count) {
    throw new UserError(`--sample ${index}: there are ${dataset.count} samples, from 0`);
  }
  const out = new Int32Array(dataset.length + 1);
  dataset.read(index, out);
  return [...out];
}

type Samples = readonly (readonly [index: number, tokens: readonly number[]])[];

const CHUNK = 2 ** 16;

/** JSON in chunks, because the indices of a large dataset can be longer than a string. */
function* writeJson(dataset: GptDataset, samples: Samples): Generator<string> {
  const { documentIndex, sampleIndex, shuffleIndex } = dataset;
  yield `{"length":${dataset.count},"doc_idx":[`;
  yield* joinNumbers(documentIndex, (numbers) => numbers.join());
  yield '],"sample_idx":[';
  yield* joinNumbers(sampleIndex, (numbers) => JSON.stringify(pairs(numbers)).slice(1, -1));
  yield '],"shuffle_idx":[';
  yield* joinNumbers(shuffleIndex, (numbers) => numbers.join());
  yield `],"samples":${JSON.stringify(Object.fromEntries(samples))}}\n`;
}

function* joinNumbers(array: NumberArray, format: (numbers: Numbers) => string): Generator<string> {
  for (let start = 0; start < array.length; start += CHUNK) {
    const text = format(array.slice(start, Math.min(start + CHUNK, array.length)));
    yield start === 0 ? text : `,${text}`;
  }
}

const pairs = (values: Numbers): readonly (readonly [number, number])[] =>
  Array.from({ length: values.length / 2 }, (_, i) => [values[2 * i]!, values[2 * i + 1]!]);

const SHOWN = 16;

function describe(dataset: GptDataset, samples: Samples): string {
  const { documentIndex, sampleIndex, shuffleIndex } = dataset;
  const first = (array: NumberArray, count = SHOWN) =>
    array.slice(0, Math.min(count, array.length));
  const more = (array: NumberArray, count = SHOWN) => (array.length > count ? " ..." : "");
  const borders = pairs(first(sampleIndex, 2 * SHOWN)).map((pair) => pair.join(":"));
  const lines = [
    `${dataset.count} samples of ${documentIndex.length} documents; --json shows all`,
    `documents  ${first(documentIndex).join(" ")}${more(documentIndex)}`,
    `samples    ${borders.join(" ")}${more(sampleIndex, 2 * SHOWN)}`,
    `order      ${first(shuffleIndex).join(" ")}${more(shuffleIndex)}`,
    ...samples.map(([index, tokens]) => `sample ${index}: ${tokens.join(" ")}`),
  ];
  return `${lines.join("\n")}\n`;
}
