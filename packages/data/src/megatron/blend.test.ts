import { afterAll, beforeEach, describe, expect, test } from "@jest/globals";
import { copyFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { blendIndices, normalizeWeights } from "./blend.js";
import type { Samples } from "../index.js";
import { orderLength } from "../index.js";
import {
  chooseDataPaths,
  openGptData,
  openGptDataset,
  openRunFeeds,
  parseDataPath,
} from "../megatron.js";

const FIXTURES = join(__dirname, "../../fixtures/megatron");

const made: string[] = [];
let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "tessera-dataset-"));
  made.push(folder);
  for (const name of ["notes.bin", "notes.idx"]) copyFileSync(join(FIXTURES, name), at(name));
});
afterAll(() => {
  for (const path of made) rmSync(path, { recursive: true });
});

const at = (name: string): string => join(folder, name);

describe("a blend of datasets", () => {
  const data = (paths: string) => ({
    paths: parseDataPath(paths.split(" ")),
    split: "90,10,0",
    sampleCounts: { train: 60, valid: 5, test: 5 },
    sequenceLength: 16,
    seed: 3,
    cacheFolder: at("cache"),
  });

  test("has the samples of its datasets by weight, and null for a split without documents", async () => {
    const { splits, close } = await openGptData(
      data(`0.7 ${join(FIXTURES, "prose")} 0.3 ${at("notes")}`),
    );
    expect(splits.train).toMatchObject({ count: 60, length: 16 });
    expect(splits.test).toBeNull();
    const own = await openGptData(data(join(FIXTURES, "prose")));
    const [blended, alone] = [new Int32Array(17), new Int32Array(17)];
    splits.train!.read(0, blended);
    own.splits.train!.read(0, alone);
    expect(blended).toEqual(alone); // the heavier part comes first
    close();
    own.close();
  });

  test("takes the samples of each dataset in order, never more than one away from its weight", async () => {
    const [prose, notes] = [join(FIXTURES, "prose"), at("notes")];
    const { splits, close } = await openGptData(data(`0.7 ${prose} 0.3 ${notes}`));
    const train = splits.train!;
    expect(train.description).toMatch(/^0.7 of \d+ \+ 0.3 of \d+ tokens, split 90,10,0$/);
    // Blends need half a percent to spare of each part: 0.7 and 0.3 of 60, and 1.005 of that.
    const open = (prefix: string, sampleCount: number) =>
      openGptDataset({ ...data(prefix), prefix, name: "train", sampleCount });
    const all = [(await open(prose, 43))!, (await open(notes, 19))!];
    const taken = [0, 0];
    const read = (samples: Pick<Samples, "read">, index: number) => {
      const out = new Int32Array(17);
      samples.read(index, out);
      return out.join();
    };
    for (let i = 0; i < 60; i += 1) {
      const sample = read(train, i);
      const from = all.findIndex((part, p) => read(part, taken[p]!) === sample);
      expect(from).not.toBe(-1);
      taken[from]! += 1;
      expect(Math.abs(taken[0]! - 0.7 * (i + 1))).toBeLessThanOrEqual(1);
    }
    for (const index of [-1, 60, 0.5, NaN]) {
      expect(() => read(train, index)).toThrow(RangeError);
      expect(() => read(all[0]!, index === 60 ? all[0]!.count : index)).toThrow(RangeError);
    }
    close();
    for (const part of all) part.close();
  });

  test("of one dataset is that dataset", async () => {
    const { splits, close } = await openGptData(data(at("notes")));
    expect(splits.train!.description).toMatch(/^\d+ tokens, split 90,10,0$/);
    expect(splits.train!.count).toBeGreaterThanOrEqual(60);
    close();
  });

  test("of separate datasets splits none of them", async () => {
    const paths = {
      train: parseDataPath([at("notes")]),
      valid: parseDataPath([at("notes")]),
      test: [],
    };
    const { splits, close } = await openGptData({ ...data(at("notes")), paths });
    expect(splits.train!.description).toMatch(/^\d+ tokens$/);
    expect(splits.valid).not.toBeNull();
    expect(splits.test).toBeNull();
    close();
  });

  test.each([255, 256, 257, 300])("is of as many datasets as are named: %s", (count) => {
    const { dataset, sample } = blendIndices(Array<number>(count).fill(2), count + 1);
    expect([...dataset]).toEqual([...Array(count).keys(), 0]);
    expect(sample.at(-1)).toBe(1);
  });

  test("may be of more than 16 bits count", () => {
    expect(blendIndices(Array<number>(65_537).fill(1), 2).dataset).toBeInstanceOf(Uint32Array);
  });

  test("has weights that have a sum", () => {
    for (const weights of [[], [0, 0], [1, -1, 1], [Infinity, 1], [NaN, 1]]) {
      expect(() => normalizeWeights(weights)).toThrow("none may be negative, nor all 0");
    }
    expect(normalizeWeights([0, 1, 3])).toEqual([0, 0.25, 0.75]);
  });

  test("is read from a command line as names alone, or with a weight before each", () => {
    expect(parseDataPath(["a", "b"])).toEqual([
      { weight: 1, prefix: "a" },
      { weight: 1, prefix: "b" },
    ]);
    expect(parseDataPath(["0.5", "a", "2", "b"])).toEqual([
      { weight: 0.5, prefix: "a" },
      { weight: 2, prefix: "b" },
    ]);
    expect(() => parseDataPath([])).toThrow("name at least one dataset");
  });

  test("has a list for each split, or one that is divided", () => {
    const none = { data: [], train: [], valid: [], test: [] };
    const a = [{ weight: 1, prefix: "a" }];
    expect(chooseDataPaths({ ...none, data: ["a"] })).toEqual(a);
    expect(chooseDataPaths({ ...none, train: ["a"] })).toEqual({ train: a, valid: [], test: [] });
    expect(chooseDataPaths({ data: [], train: ["a"], valid: ["a"] })).toEqual({
      train: a,
      valid: a,
      test: [],
    });
    for (const part of ["train", "valid", "test"] as const) {
      expect(() => chooseDataPaths({ ...none, data: ["a"], [part]: ["b"] })).toThrow("not both");
    }
    for (const part of ["valid", "test"] as const) {
      expect(() => chooseDataPaths({ ...none, [part]: ["b"] })).toThrow(
        "--train-data-path: is needed",
      );
    }
  });
});

test("a run's feeds are no longer than asked for, and are refused without anything to train on", async () => {
  const data = {
    paths: parseDataPath([at("notes")]),
    split: "50,50,0",
    sampleCounts: { train: 9, valid: 4, test: 3 },
    sequenceLength: 16,
    seed: 3,
    cacheFolder: at("cache"),
  };
  const rank = { dataRank: 0, dataRanks: 1, prefetches: false };
  const feeds = await openRunFeeds({ data, ...rank });
  const { train, validation, test: testing, description, notes } = feeds;
  expect(notes).toEqual([]);
  expect(train.count).toBeGreaterThanOrEqual(9);
  expect([validation!.count, validation!.length, testing]).toEqual([4, 16, null]);
  expect(description).toMatch(/^\d+ tokens, split 50,50,0$/);
  await expect(openRunFeeds({ data: { ...data, split: "0,1,0" }, ...rank })).rejects.toThrow(
    "--split 0,1,0: leaves no documents to train on",
  );
  const fewer = await openRunFeeds({ data: { ...data, split: "999,0.5,0.5" }, ...rank });
  expect([fewer.validation, fewer.test]).toEqual([null, null]);
  expect(fewer.notes).toEqual([
    expect.stringMatching(/^--split 999,0.5,0.5 leaves no document for validation and test, whose/),
  ]);
});

test("a run is laid out for as many samples as before, and says where their order changes", () => {
  expect(orderLength(10)).toEqual({ samples: 10, notes: [] });
  expect(orderLength(10, 10)).toEqual({ samples: 10, notes: [] });
  expect(orderLength(10, 30)).toEqual({ samples: 30, notes: [] });
  const { samples, notes } = orderLength(30, 10);
  expect({ samples, notes: notes.length }).toEqual({ samples: 30, notes: 1 });
});
