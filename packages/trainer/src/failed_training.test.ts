// Training that fails: no state of it is saved, nothing good is removed for it, and it ends, however seldom it logs.

import { readdirSync } from "node:fs";
import { beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import "@tensorflow/tfjs-backend-cpu";
import { enableProdMode, memory, scalar, setBackend, type Tensor } from "@tensorflow/tfjs-core";
import { latestCheckpoint } from "@tessera/checkpoint";
import { singleWorld } from "@tessera/collectives";
import { createFeed, sequentialOrder } from "@tessera/data";
import { splitWindows } from "@tessera/data/texts";
import { gptConfig, gptModel, type GptParams } from "@tessera/gpt";
import { leaves } from "@tessera/params";
import { scratchFolder } from "@tessera/testing";
import { planRun, trainRun, type Run, type RunConfig } from "./index.js";
import { createTally } from "./tally.js";
import { silent, type Metrics } from "./report.js";

beforeAll(async () => {
  enableProdMode();
  await setBackend("cpu");
});

const at = scratchFolder("failed");
let folder: string;
let count = 0;
beforeEach(() => {
  count += 1;
  folder = at(`run-${count}`);
});

const tokens = Uint8Array.from({ length: 400 }, (_, i) => (i * i + 3 * i) % 16);
const { train } = splitWindows(tokens, { length: 8, validation: 0 });
const sizes = { layerCount: 1, hiddenSize: 8, headCount: 2, vocabularySize: 16, maxPositions: 8 };

const GOOD_STEPS = 4;

/** A rate that is good for some steps; the next step, whose loss is as good as any, destroys the weights. */
const bursts = (step: number): number => (step < GOOD_STEPS ? 0.01 : 3e38);

const config = (changes: Partial<RunConfig<GptParams>>): RunConfig<GptParams> => ({
  model: gptModel(gptConfig(sizes)),
  data: { train: createFeed(train, { order: sequentialOrder(train.count) }) },
  batch: { micro: 2 },
  duration: { steps: 40 },
  schedule: bursts,
  ...changes,
});

/** Trains to the end or to an error, whose message it returns beside what was told. */
async function outcome(changes: Partial<RunConfig<GptParams>>, signal?: AbortSignal) {
  const run: Run<GptParams> = await planRun(singleWorld(), config(changes));
  const told: Metrics[] = [];
  const notes: string[] = [];
  const error = await trainRun(run, {
    reporter: () => ({
      ...silent,
      metrics: (metrics) => void told.push(metrics),
      note: (text) => void notes.push(text),
    }),
    ...(signal && { signal }),
  }).then(
    () => null,
    (reason: unknown) => reason as Error,
  );
  return { error, told, notes };
}

describe.each([1, 1000])("with a line every %i steps", (logInterval) => {
  test.each([1, 2, 3])(
    "saving every %i: the last good state stays the latest",
    async (interval) => {
      const checkpoints = { folder, interval, keep: 1 };
      const { error } = await outcome({ checkpoints, logInterval });
      expect(error).toMatchObject({ name: "RunError" });
      expect(error!.message).toMatch(/^step \d+: .*not finite|diverged.*lower the learning rate/);
      const last = GOOD_STEPS - (GOOD_STEPS % interval);
      expect(latestCheckpoint(folder)).toBe(`${folder}/checkpoint-${last}`);
      expect(readdirSync(folder).filter((name) => name.startsWith("."))).toEqual([]);
    },
  );

  test("saving at the end alone, or nowhere: it ends at the same step", async () => {
    const { error } = await outcome({ checkpoints: { folder }, logInterval });
    expect(error!.message).toMatch(/^step 15: is the 10th in a row/);
    expect(latestCheckpoint(folder)).toBeUndefined();
    expect((await outcome({ logInterval })).error!.message).toBe(error!.message);
  });

  test("asked to stop: it saves nothing, and fails", async () => {
    const checkpoints = { folder };
    const stopped = await outcome(
      { checkpoints, logInterval, schedule: () => 3e38 },
      AbortSignal.abort(),
    );
    expect(stopped.error).toMatchObject({ name: "RunError" });
    expect(latestCheckpoint(folder)).toBeUndefined();
  });

  test("with a fixed loss scale: as without", async () => {
    const lossScaling = { initial: 2 ** 125, minimum: 0, window: 1e9, hysteresis: 1e9 };
    const run = await planRun(singleWorld(), config({ logInterval }));
    const scaled = { ...run, plan: { ...run.plan, lossScaling } };
    await expect(trainRun(scaled, { reporter: () => silent })).rejects.toThrow(
      /^step 10: is the 10th in a row whose loss .* or gradients \(norm (Infinity|NaN)\)/,
    );
  });
});

test("a weight that is no number is found where the loss does not show it", async () => {
  // Position 7 of 8 is never asked for where samples have 4 tokens.
  const shorter = splitWindows(tokens, { length: 4, validation: 0 }).train;
  const data = { train: createFeed(shorter, { order: sequentialOrder(shorter.count) }) };
  const run = await planRun(
    singleWorld(),
    config({ data, schedule: () => 0.01, duration: { steps: 1 } }),
  );
  const broken = trainRun(run, {
    reporter: () => silent,
    onStart({ params }) {
      const [, table] = leaves<Tensor>(params).find(([path]) => path.includes("position"))!;
      table.dataSync<"float32">()[7 * 8] = NaN;
    },
  });
  await expect(broken).rejects.toThrow("step 1: its weights are not finite; it is not saved");
});

describe("the figures of a line", () => {
  const add = (tally: ReturnType<typeof createTally>, first: number, losses: readonly number[]) =>
    losses.forEach((loss, i) =>
      tally.add(first + i, { loss: scalar(loss), gradientNorm: scalar(1), learningRate: 1 }),
    );

  test("are means since the line before, of the steps that were not skipped", () => {
    const before = memory().numTensors;
    const tally = createTally(null);
    add(tally, 1, [3, 4, NaN, 8]);
    tally.read();
    expect(tally.lap()).toEqual({ loss: 5, gradientNorm: 1 });
    add(tally, 5, [7]);
    tally.read();
    expect(tally.lap().loss).toBe(7);
    expect(tally.lap().loss).toBeUndefined();
    expect(tally).toMatchObject({ skippedSteps: 1, firstLoss: 3, isSkipping: false });
    expect(memory().numTensors).toBe(before);
  });

  test("the rows of skipped steps that end a run do not depend on when they are read", () => {
    const losses = [...Array<number>(10).fill(NaN), 1, 1];
    const early = createTally(null);
    add(early, 1, losses.slice(0, 9));
    early.read();
    add(early, 10, losses.slice(9));
    expect(() => early.read()).toThrow(/^step 10:/);
    const late = createTally(null);
    add(late, 1, losses);
    expect(() => late.read()).toThrow(/^step 10:/);
    const short = createTally(null);
    add(short, 1, losses.slice(1));
    expect(() => short.read()).not.toThrow();
  });

  test("skipped steps are told in every precision, on lines and at the end", async () => {
    const lossScaling = { initial: 2 ** 70, minimum: 1, window: 4, hysteresis: 1 };
    const precise = await outcome({ duration: { steps: 3 }, schedule: () => 0.01, logInterval: 1 });
    expect(precise.told.map(({ skipped_steps: skipped }) => skipped)).toEqual([0, 0, 0]);
    expect(precise.notes).toContainEqual(expect.stringContaining("is not saved"));
    const run = await planRun(singleWorld(), config({ schedule: () => 0.01 }));
    const notes: string[] = [];
    const reporter = { ...silent, note: (text: string) => void notes.push(text) };
    await trainRun({ ...run, plan: { ...run.plan, lossScaling } }, { reporter: () => reporter });
    const [skipped] = notes.filter((text) => text.startsWith("skipped"));
    expect(skipped).toMatch(
      /^skipped [1-9]\d* of 40 steps, whose loss or gradients were not finite/,
    );
  });
});
