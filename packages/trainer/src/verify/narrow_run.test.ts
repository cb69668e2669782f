import { expect, test } from "@jest/globals";
import { gptConfig, gptModel } from "@tessera/gpt";
import type { RunConfig, RunData } from "../index.js";
import { narrowRun } from "./narrow_run.js";

const feed = {
  count: 10,
  length: 64,
  batch: (first: number, size: number) => {
    const at = (offset: number) =>
      Int32Array.from({ length: size * 64 }, (_, i) => 1000 * (first + 1) + i + offset);
    const lossMask = Float32Array.from({ length: size * 64 }, (_, i) => i % 2);
    return {
      inputs: at(0),
      targets: at(1),
      batch: size,
      time: 64,
      lossMask,
      positions: null,
      starts: null,
    };
  },
};

const config: RunConfig = {
  model: gptModel(gptConfig({ layerCount: 6, hiddenSize: 2064, headCount: 24 })),
  data: { train: feed, validation: feed },
  batch: { micro: 8, accumulation: 6 },
  duration: { steps: 1000 },
  schedule: { kind: "cosine", peak: 1, floor: 0, warmup: 5, total: 1000 },
  parallel: { tensor: 2, pipeline: 3, sequence: true },
  recompute: "attention",
  resume: "elsewhere",
  checkpoints: { folder: "there" },
};

const { config: narrow, alone, notes } = narrowRun(config, 12);
const request = {
  shard: { index: 0, count: 1 },
  trainSamples: 8,
  globalBatch: 4,
  resumed: undefined,
};
const open = narrow.data as (from: typeof request) => Promise<RunData>;

test("layers, heads and layout stay, width and batch are small", () => {
  const { layerCount, headCount, hiddenSize } = narrow.model.config as Record<string, number>;
  expect([layerCount, headCount, hiddenSize]).toEqual([6, 24, 96]);
  expect(narrow.parallel).toEqual(config.parallel);
  expect(narrow.recompute).toBe("attention");
  expect(narrow.batch).toEqual({ micro: 2, accumulation: 3 });
  expect(notes[0]).toBe("6 layers, of width 96 in place of 2064; 81 ids");
});

test("one rank has the whole batch, no layout, no recomputation", () => {
  expect(alone(12)).toMatchObject({ parallel: {}, batch: { micro: 2, global: 12 } });
  expect(alone(12)).not.toHaveProperty("recompute");
});

test("nothing is read or written where the run does", () => {
  for (const one of [narrow, alone(4)]) {
    expect(one).not.toHaveProperty("resume");
    expect(one).not.toHaveProperty("checkpoints");
  }
});

test("samples are cut with their masks, and ids are of the small vocabulary", async () => {
  const { train } = await open(request);
  const batch = train.batch(0, 2);
  expect([train.length, batch.time, batch.batch]).toEqual([16, 16, 2]);
  expect([...batch.inputs.subarray(0, 3)]).toEqual([1000 % 81, 1001 % 81, 1002 % 81]);
  expect(batch.inputs[16]).toBe(1064 % 81);
  expect(batch.targets[16]).toBe(1065 % 81);
  expect([...batch.lossMask!.subarray(15, 18)]).toEqual([1, 0, 1]);
});
