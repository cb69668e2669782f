// A run from one value: what a program of one's own writes down.

import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import "@tensorflow/tfjs-backend-cpu";
import { enableProdMode, setBackend } from "@tensorflow/tfjs-core";
import { latestCheckpoint } from "@tessera/checkpoint";
import { singleGroup, singleWorld, type World } from "@tessera/collectives";
import { createFeed, shuffledOrder } from "@tessera/data";
import { splitWindows } from "@tessera/data/texts";
import { gptConfig, gptModel, type GptParams } from "@tessera/gpt";
import { disposeTree } from "@tessera/params";
import { planRun, resolveRun, runExitCode, startRun, trainRun, type RunConfig } from "../index.js";
import { silent, type Metrics } from "../report.js";

beforeAll(async () => {
  enableProdMode(); // no advice to install another backend
  await setBackend("cpu");
});

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "tessera-run-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

const windows = splitWindows(
  Uint8Array.from({ length: 400 }, (_, i) => (i * i + 3 * i) % 16),
  { length: 8, validation: 0.2 },
);

const feeds = {
  train: createFeed(windows.train, { order: shuffledOrder(windows.train.count, 5) }),
  validation: createFeed(windows.validation!),
};

const config: RunConfig<GptParams> = {
  model: gptModel(
    gptConfig({ layerCount: 2, hiddenSize: 8, headCount: 2, vocabularySize: 16, maxPositions: 8 }),
  ),
  data: { ...feeds, identity: { text: "squares" } },
  batch: { micro: 2, accumulation: 2 },
  duration: { steps: 6 },
  schedule: { kind: "cosine", peak: 0.01, floor: 0, warmup: 2, total: 6 },
  logInterval: 1,
};

/** Trains `config`; its losses, one a step. */
async function losses(changes: Partial<RunConfig<GptParams>>): Promise<number[]> {
  const run = await planRun(singleWorld(), { ...config, ...changes });
  const metrics: Metrics[] = [];
  const { state, ...result } = await trainRun(run, {
    reporter: () => ({ ...silent, metrics: (one) => void metrics.push(one) }),
  });
  expect(runExitCode(run.plan, result, { signal: AbortSignal.any([]), isExpected: false })).toBe(0);
  for (const tree of [state.params, state.optimizer]) disposeTree(tree);
  return metrics.flatMap(({ loss }) => (loss === undefined ? [] : [loss]));
}

test("trains, saves, and continues to the bit where it was saved", async () => {
  const whole = await losses({});
  expect(whole).toHaveLength(6);
  expect(whole.at(-1)).toBeLessThan(whole[0]!);
  const first = await losses({ duration: { steps: 3 }, checkpoints: { folder } });
  const rest = await losses({ checkpoints: { folder }, resume: latestCheckpoint(folder) });
  expect([...first, ...rest]).toEqual(whole);
});

test("older checkpoints go where the run ended before it had removed them, in its own folder alone", async () => {
  const duration = { steps: 3 };
  await losses({ duration, checkpoints: { folder, interval: 1 } });
  const resume = latestCheckpoint(folder);
  const kept = () => readdirSync(folder).filter((name) => name.startsWith("checkpoint-"));
  await losses({ duration, checkpoints: { folder: join(folder, "other"), keep: 1 }, resume });
  expect(kept()).toHaveLength(3);
  await losses({ duration, checkpoints: { folder, keep: 1 }, resume });
  expect(kept()).toEqual(["checkpoint-3"]);
});

test("starts from weights that are given", async () => {
  const saved = await planRun(singleWorld(), { ...config, seed: 9 });
  const { params } = startRun(saved);
  const [from] = await losses({ weights: () => params });
  const [same] = await losses({ seed: 9 });
  // The order of samples and dropout do not depend on the seed here, the weights alone do.
  expect(from).toBe(same);
});

test("a checkpoint of other data is refused by name", async () => {
  await losses({ duration: { steps: 1 }, checkpoints: { folder } });
  const data = { ...feeds, identity: { text: "cubes" } };
  const other = losses({ data, resume: latestCheckpoint(folder) });
  await expect(other).rejects.toThrow("was trained with text squares, this run has cubes");
});

describe("sizes that contradict each other are refused:", () => {
  test.each<[string, Partial<RunConfig<GptParams>>, RegExp]>([
    [
      "a global batch",
      { batch: { micro: 2, global: 7 } },
      /of 7: must be a multiple of micro-batch/,
    ],
    [
      "accumulation",
      { batch: { micro: 2, accumulation: 2, global: 8 } },
      /a global batch of 8: is micro-batch x data ranks, 2, x 4 micro-batches, but 2 are accumulated/,
    ],
    [
      "a ramp counted in steps",
      { batch: { micro: 2, global: 8, ramp: { start: 2, increment: 2, samples: 10 } } },
      /goes with a duration in samples/,
    ],
    [
      "a ramp that does not arrive",
      {
        batch: { micro: 2, global: 8, ramp: { start: 2, increment: 4, samples: 10 } },
        duration: { samples: 100 },
      },
      /grows from 2 by 4: never is the global batch of 8/,
    ],
    ["a microbatch of nothing", { batch: { micro: 0 } }, /batch.micro 0: must be a whole number/],
    ["half a stage", { parallel: { pipeline: 0.5 } }, /parallel.pipeline 0.5: must be a whole/],
    ["no step", { duration: { steps: 0 } }, /duration.steps 0: must be a whole number, at least 1/],
    [
      "zero-bubble with chunks",
      { parallel: { chunks: 2, schedule: "zero-bubble" } },
      /zero-bubble/,
    ],
    ["more stages than layers", { parallel: { pipeline: 4 } }, /no multiple of 4/],
  ])("%s", (_what, changes, message) => {
    expect(() => resolveRun({ ...config, ...changes }, 1)).toThrow(message);
  });
});

test("sequences that tensor-parallel ranks cannot share evenly are refused", async () => {
  const world: World = {
    ...singleWorld(),
    size: 3,
    group: (name, ranks) => ({ ...singleGroup(0, name), size: ranks.length, ranks }),
  };
  const sizes = { layerCount: 1, hiddenSize: 6, headCount: 3, maxPositions: 8 };
  const model = gptModel(gptConfig({ ...sizes, vocabularySize: 18 }));
  const run = planRun(world, { ...config, model, parallel: { tensor: 3, sequence: true } });
  await expect(run).rejects.toThrow(
    "sequences of 8 tokens: cannot be sharded over 3 tensor-parallel ranks; use a multiple of 3",
  );
});

test("a run counted in samples takes as many steps as its growing batch needs", () => {
  const { duration, batch } = resolveRun(
    {
      ...config,
      batch: { micro: 2, global: 8, ramp: { start: 2, increment: 2, samples: 12 } },
      duration: { samples: 40 },
    },
    1,
  );
  // 2 + 2 samples, then 4, then 6, then 8 a step: Megatron's rule.
  expect(duration.samples).toBeGreaterThanOrEqual(40);
  expect(duration.samples).toBeLessThan(48);
  expect(batch.globalBatch).toBe(8);
});
