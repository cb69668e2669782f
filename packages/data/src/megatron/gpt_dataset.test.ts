// What a dataset for a GPT accepts, at the borders.

import { describe, expect, test } from "@jest/globals";
import { scratchFolder } from "@tessera/testing";
import { join } from "node:path";
import { createDatasetWriter, openGptDataset, type GptDatasetOptions } from "../megatron.js";
import { buildIndices } from "./gpt_indices.js";

const FIXTURES = join(__dirname, "../../fixtures/megatron");
const at = scratchFolder("gpt-dataset");

const options = (): GptDatasetOptions => ({
  prefix: join(FIXTURES, "notes"),
  name: "train",
  split: "1",
  sampleCount: 20,
  sequenceLength: 32,
  seed: 7,
  cacheFolder: at("cache"),
});

const countOf = async (changes: Partial<GptDatasetOptions>): Promise<number> => {
  const dataset = (await openGptDataset({ ...options(), ...changes }))!;
  dataset.close();
  return dataset.count;
};

describe("numbers that name a dataset", () => {
  test.each<Partial<GptDatasetOptions>>([
    { seed: 0 },
    { seed: 2 ** 32 - 1 },
    { sequenceLength: 1 },
    { sampleCount: 0 },
  ])("%j is taken", async (changes) => {
    const { sampleCount } = { ...options(), ...changes };
    expect(await countOf(changes)).toBeGreaterThanOrEqual(Math.max(1, sampleCount));
  });

  test.each<[Partial<GptDatasetOptions>, string]>([
    [{ seed: -1 }, "--seed is -1: must be a whole number from 0 to 4294967295"],
    [{ seed: 2 ** 32 }, "--seed is 4294967296: must be"],
    [{ seed: 0.5 }, "--seed is 0.5: must be"],
    [{ sequenceLength: 0 }, "--seq-length is 0: must be a whole number from 1 to 2147483647"],
    [{ sequenceLength: 2 ** 31 }, "--seq-length is 2147483648: must be"],
    [{ sampleCount: -1 }, "the number of samples is -1: must be a whole number from 0"],
    [{ sampleCount: NaN }, "the number of samples is NaN: must be"],
  ])("%j is refused", async (changes, message) => {
    await expect(openGptDataset({ ...options(), ...changes })).rejects.toThrow(message);
  });
});

describe("very short documents", () => {
  const write = (name: string, lengths: readonly number[]): string => {
    const writer = createDatasetWriter(at(name), "u16");
    for (const length of lengths) {
      writer.append(Array.from({ length }, (_, i) => i + 1));
      writer.endSequence();
      writer.endDocument();
    }
    writer.finish();
    return at(name);
  };

  test("two tokens make a sample of one input, as often as needed", async () => {
    const prefix = write("two", [0, 2, 0]);
    const dataset = (await openGptDataset({
      ...options(),
      prefix,
      sequenceLength: 1,
      sampleCount: 5,
    }))!;
    expect(dataset.count).toBeGreaterThanOrEqual(5);
    expect(dataset.tokenCount).toBe(2);
    const out = new Int32Array(2);
    for (let i = 0; i < dataset.count; i += 1) {
      dataset.read(i, out);
      expect([[1, 2].join(), [2, 1].join()]).toContain(out.join());
    }
    dataset.close();
  });

  test("one token is refused", async () => {
    const prefix = write("one", [0, 1]);
    await expect(openGptDataset({ ...options(), prefix })).rejects.toThrow(
      "one: the documents for train have 1 tokens, give more text",
    );
  });

  test("a vocabulary must have the largest token, and no more", async () => {
    const prefix = write("ids", [40, 30]); // ids 1 to 40
    const open = (vocabularySize: number) =>
      openGptDataset({ ...options(), prefix, vocabularySize });
    await expect(open(40)).rejects.toThrow("has token 40, but the vocabulary ends before 40");
    (await open(41))!.close();
  });
});

describe("samples of any documents", () => {
  test.each([
    [[3, 1, 4, 1, 5, 9, 2, 6], 4, 3],
    [[1, 1, 1, 1, 1], 2, 11],
    [[17], 5, 10],
    [[0, 6, 0, 0, 7], 3, 8],
  ])(
    "of %j tokens, %i a sample, %i of them: each epoch has each token once, and cuts overlap by one",
    (lengths, length, wanted) => {
      const ofAll = { lengths, first: 0, end: lengths.length, seed: 5 };
      const found = buildIndices({ ...ofAll, sequenceLength: length, sampleCount: wanted });
      const { documentIndex, sampleIndex, shuffleIndex } = found;
      const perEpoch = lengths.reduce((a, b) => a + b, 0);
      const epochs = documentIndex.length / lengths.length;
      expect(Number.isInteger(epochs)).toBe(true);
      expect([
        epochs * perEpoch > wanted * length,
        (epochs - 1) * perEpoch > wanted * length,
      ]).toEqual([true, false]);
      const counts = lengths.map(
        (_, document) => documentIndex.filter((one) => one === document).length,
      );
      expect(counts).toEqual(lengths.map(() => epochs));
      const samples = Math.floor((epochs * perEpoch - 1) / length);
      expect(sampleIndex.length).toBe(2 * (samples + 1));
      // Each border is so many tokens behind the last, counted along the documents.
      const places = [...documentIndex].reduce(
        (sums, document) => [...sums, sums.at(-1)! + lengths[document]!],
        [0],
      );
      for (let i = 0; i <= samples; i += 1) {
        const [place, token] = [sampleIndex[2 * i]!, sampleIndex[2 * i + 1]!];
        expect(places[place]! + token).toBe(i * length);
        expect(token).toBeLessThan(Math.max(1, lengths[documentIndex[place]!]!));
      }
      expect([...shuffleIndex].sort((a, b) => a - b)).toEqual(
        Array.from({ length: samples }, (_, i) => i),
      );
    },
  );

  test("a last epoch of which little is needed is shuffled separately", () => {
    // Of 80 tokens an epoch and samples of 4, 19 end before the second epoch: (80 - 1) / 4.
    const of = { lengths: [30, 50], first: 0, end: 2, sequenceLength: 4, seed: 5 };
    const { documentIndex, shuffleIndex } = buildIndices({ ...of, sampleCount: 21 });
    expect(shuffleIndex.length).toBe(39);
    const sorted = (some: Iterable<number>) => [...some].sort((a, b) => a - b);
    expect(sorted(shuffleIndex.subarray(0, 19))).toEqual(Array.from({ length: 19 }, (_, i) => i));
    expect([documentIndex.subarray(0, 2), documentIndex.subarray(2)].map(sorted)).toEqual([
      [0, 1],
      [0, 1],
    ]);
  });
});
