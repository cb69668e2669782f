// The memory of a rank, measured over a step at 30M parameters, follows the ZeRO stage.

import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { expect, test } from "@jest/globals";
import { isAvailable as isMpiAvailable } from "@tessera/collectives-mpi";
import { peakBytes, rankMemory } from "@tessera/data-parallel";
import { activationBytes, gpt, gptConfig } from "@tessera/gpt";
import { isAvailable as isNativeAvailable } from "@tessera/kernels-native";
import type { Job, Layout } from "./programs/layouts.js";
import { golden } from "./programs/run_layouts.js";

const LAUNCH = join(__dirname, "../../tessera/dist/main.js");
const RANK = join(__dirname, "../dist/programs/memory.js");

const sizes = {
  layerCount: 6,
  hiddenSize: 384,
  headCount: 6,
  keyHeadCount: 6,
  innerSize: 1536,
  vocabularySize: 50304,
  maxPositions: 64,
};
const config = gptConfig(sizes);
const micro = { rows: 8, time: 32, bytes: 4 } as const;
const ACCUMULATION = 2;

/** The most bytes that tensors of each rank took in a step. Ranks are processes, as their messages count too. */
function measured(ranks: number, stage: Layout["stage"]): number[] {
  const layout: Layout = {
    ...{ stage, accumulation: ACCUMULATION, rows: micro.rows * ranks * ACCUMULATION },
    ...{ dropout: 0, steps: 1, bucketBytes: 2 ** 20, changes: sizes, lossesOnly: true },
  };
  const job: Job = { ...golden, layouts: [layout] };
  const words = ["launch", "--nproc-per-node", String(ranks), "--", "node", RANK];
  const { stdout, stderr } = spawnSync(process.execPath, [LAUNCH, ...words, JSON.stringify(job)], {
    encoding: "utf8",
    env: { ...process.env, OMP_NUM_THREADS: "1" },
  });
  const peaks = [...stdout.matchAll(/peak (\d+)/g)].map(([, bytes]) => Number(bytes));
  expect([peaks.length, stderr]).toEqual([ranks, ""]);
  return peaks;
}

const rows = ([1, 2, 4] as const).flatMap((ranks) =>
  ([0, 1, 2, 3] as const).map((stage) => [ranks, stage] as const),
);

(isMpiAvailable() && isNativeAvailable() ? test : test.skip).each(rows)(
  "%i ranks, ZeRO %i: within a tenth of weights, gradients, moments and activations",
  (ranks, stage) => {
    const kinds = rankMemory(gpt(config).spec, { stage, ranks, slots: 2 });
    const expected = peakBytes(kinds, activationBytes(config, micro), ACCUMULATION);
    for (const peak of measured(ranks, stage)) {
      expect(peak / expected).toBeGreaterThan(0.9);
      expect(peak / expected).toBeLessThan(1.1);
    }
  },
  120_000,
);
