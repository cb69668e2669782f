// `tessera data order`: the indices that training would read by, and samples.

import { pipeline } from "node:stream/promises";
import { EXIT, flag, toggle, UserError } from "@tessera/config";
import type { GptDataset, NumberArray, Numbers } from "@tessera/data/megatron";
import { commandOf } from "../command.js";
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

export const orderCommand = commandOf(program, async ({ values, operands }) => {
  const dataset = await openSamples(operands[0]!, values);
  const samples = values.sample.map((index) => [index, tokensOf(dataset, index)] as const);
  if (values.json) await pipeline(jsonOf(dataset, samples), process.stdout, { end: false });
  else process.stdout.write(overview(dataset, samples));
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

const PART = 2 ** 16;

/** All of it, in parts: the indices of a large dataset are longer than a string can be. */
function* jsonOf(dataset: GptDataset, samples: Samples): Generator<string> {
  const { documentIndex, sampleIndex, shuffleIndex } = dataset;
  yield `{"length":${dataset.count},"doc_idx":[`;
  yield* joined(documentIndex, (numbers) => numbers.join());
  yield '],"sample_idx":[';
  yield* joined(sampleIndex, (numbers) => JSON.stringify(pairs(numbers)).slice(1, -1));
  yield '],"shuffle_idx":[';
  yield* joined(shuffleIndex, (numbers) => numbers.join());
  yield `],"samples":${JSON.stringify(Object.fromEntries(samples))}}\n`;
}

function* joined(array: NumberArray, textOf: (numbers: Numbers) => string): Generator<string> {
  for (let start = 0; start < array.length; start += PART) {
    const text = textOf(array.slice(start, Math.min(start + PART, array.length)));
    yield start === 0 ? text : `,${text}`;
  }
}

const pairs = (values: Numbers): readonly (readonly [number, number])[] =>
  Array.from({ length: values.length / 2 }, (_, i) => [values[2 * i]!, values[2 * i + 1]!]);

const SHOWN = 16;

function overview(dataset: GptDataset, samples: Samples): string {
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
