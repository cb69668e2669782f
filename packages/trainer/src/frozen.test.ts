// Runs that train some parameters alone: adapters, or all but those that patterns freeze.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { runThreads } from "@tessera/collectives";
import type { ParallelConfig } from "./index.js";
import { isTrained, type Job, type Trained } from "./programs/train_lora.js";

const program = pathToFileURL(join(__dirname, "../dist/programs/train_lora.js"));
const STEPS = 5;

let scratch: string;
beforeAll(() => {
  scratch = mkdtempSync(join(tmpdir(), "tessera-frozen-"));
});
afterAll(() => rmSync(scratch, { recursive: true }));

const train = (ranks: number, ...jobs: Job[]): Promise<Trained[][]> =>
  runThreads<Trained[]>({ program, ranks, data: jobs });

function expectNear(actual: ArrayLike<number>, expected: ArrayLike<number>, what: string): void {
  const values = Array.from(expected);
  const scale = Math.max(...values.map(Math.abs));
  const error = Math.max(...values.map((value, i) => Math.abs(value - actual[i]!)));
  expect([what, error / scale < 1e-4]).toEqual([what, true]);
}

const layouts: [ranks: number, parallel: ParallelConfig][] = [
  [2, { tensor: 2 }],
  [2, { tensor: 2, sequence: true }],
  [2, { pipeline: 2 }],
  [2, { pipeline: 2, schedule: "zero-bubble" }],
  [2, {}],
  [2, { sumOrder: "free" }],
  [2, { zeroStage: 1 }],
  [2, { zeroStage: 2, sumOrder: "free" }],
  [2, { zeroStage: 3 }],
  [2, { zeroStage: 3, sumOrder: "free" }],
  [4, { tensor: 2, sequence: true, zeroStage: 1 }],
  [4, { tensor: 2, pipeline: 2 }],
  [4, { pipeline: 2, zeroStage: 3 }],
];

const resumed: [first: ParallelConfig, then: ParallelConfig][] = [
  [{ zeroStage: 1 }, { zeroStage: 3 }],
  [{ zeroStage: 3 }, { tensor: 2 }],
  [{ pipeline: 2 }, { zeroStage: 2 }],
  [{ tensor: 2 }, { pipeline: 2 }],
];

describe.each<[what: string, kind: Omit<Job, "parallel" | "steps">]>([
  ["adapters", {}],
  ["all but the embeddings", { frozen: ["embedding.*"] }],
])("training %s", (_what, kind) => {
  const job = { ...kind, parallel: {}, steps: STEPS };
  let alone: Trained;
  /** By layout, of each rank. */
  const byLayout = new Map<string, Trained[]>();
  beforeAll(async () => {
    const [[trained]] = (await train(1, job)) as [[Trained]];
    alone = trained;
    for (const ranks of [2, 4]) {
      const own = layouts.filter(([count]) => count === ranks);
      const byRank = await train(ranks, ...own.map(([, parallel]) => ({ ...job, parallel })));
      own.forEach((layout, i) => {
        byLayout.set(
          JSON.stringify(layout),
          byRank.map((all) => all[i]!),
        );
      });
    }
  });

  test("lowers the loss, and leaves frozen weights as they are, bit for bit", () => {
    expect(alone.losses).toHaveLength(STEPS);
    expect(alone.losses.at(-1)).toBeLessThan(alone.losses[0]!);
    expect(alone.unchanged.length).toBeGreaterThan(0);
    expect(alone.unchanged.filter((path) => isTrained(job, path))).toEqual([]);
    const changed = Object.keys(alone.weights);
    expect(changed.filter((path) => !isTrained(job, path))).toEqual([]);
    expect(new Set(alone.withMoments)).toEqual(new Set(changed));
    expect(new Set(alone.liveTensors).size).toBe(1);
  });

  test.each(layouts)("on %d ranks, %j, is as on one", (...layout) => {
    for (const trained of byLayout.get(JSON.stringify(layout))!) {
      expectNear(trained.losses, alone.losses, "losses");
      expectNear(trained.gradientNorms, alone.gradientNorms, "gradient norms");
      expect([...trained.unchanged].sort()).toEqual([...alone.unchanged].sort());
      expect(new Set(trained.withMoments)).toEqual(new Set(alone.withMoments));
      for (const [path, values] of Object.entries(alone.weights)) {
        expectNear(trained.weights[path]!, values, path);
      }
      expect(new Set(trained.liveTensors).size).toBe(1);
    }
  });

  test("goes on under another layout as if it had not stopped", async () => {
    const jobs = resumed.flatMap(([first, then]) => {
      const folder = mkdtempSync(join(scratch, "checkpoints-"));
      return [
        { ...kind, folder, parallel: first, steps: 2 },
        { ...kind, resume: folder, parallel: then, steps: STEPS },
      ];
    });
    const [all] = (await train(2, ...jobs)) as [Trained[]];
    resumed.forEach((_layouts, i) => {
      const [before, after] = all.slice(2 * i, 2 * i + 2) as [Trained, Trained];
      expectNear([...before.losses, ...after.losses], alone.losses, "losses");
      for (const [path, values] of Object.entries(alone.weights)) {
        expectNear(after.weights[path]!, values, path);
      }
      expect([...after.unchanged].sort()).toEqual([...alone.unchanged].sort());
    });
  });
});

test("a model and PEFT's adapter of it have the loss of what they are merged into, under every layout", async () => {
  const of = (kind: string): string =>
    join(__dirname, "../../../fixtures/hugging-face", kind, "llama3.1");
  const files = { base: of("families"), adapter: of("adapters") };
  const merged = { files: { ...files, isMerged: true }, parallel: {}, steps: 1 };
  const [[expected]] = (await train(1, merged)) as [[Trained]];
  for (const ranks of [1, 2, 4]) {
    const own =
      ranks === 1 ? [{}] : layouts.flatMap(([count, own]) => (count === ranks ? own : []));
    const byRank = await train(ranks, ...own.map((parallel) => ({ files, parallel, steps: 1 })));
    for (const { losses } of byRank.flat()) expectNear(losses, expected.losses, "losses");
  }
});
