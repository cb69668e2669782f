// A parallel axis from one file of its own trains with the others, and is saved and resumed with them: neither
// trainer nor checkpoint knows of it.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { latestCheckpoint } from "@tessera/checkpoint";
import { runThreads } from "@tessera/collectives";
import type { Job, Trained } from "../programs/train_outer.js";

const program = pathToFileURL(join(__dirname, "../../dist/programs/train_outer.js"));

/** Of each rank, what each job trained. */
const trainAll = (ranks: number, jobs: readonly Job[]): Promise<Trained[][]> =>
  runThreads<Trained[]>({ program, ranks, data: jobs });

const [SAVED, STEPS] = [3, 5];

/** Those of the same number of ranks stand together. */
const layouts: readonly (readonly [name: string, ranks: number, parallel: Job["parallel"]])[] = [
  ["outer 2", 2, {}],
  ["data 2, ZeRO 1 x outer 2", 4, { zeroStage: 1 }],
  ["data 2, FSDP x outer 2", 4, { zeroStage: 3 }],
  ["pipeline 2 x outer 2 x tensor 2", 8, { pipeline: 2, tensor: 2 }],
  ["data 2, ZeRO 2 x outer 2 x tensor 2, sequence", 8, { tensor: 2, sequence: true, zeroStage: 2 }],
];

const scratch = mkdtempSync(join(tmpdir(), "tessera-fourth-axis-"));
const folderOf = (name: string): string => join(scratch, name.replaceAll(/\W+/g, "-"));
const checkpointOf = (name: string): string => latestCheckpoint(folderOf(name))!;
const ALONE = { outer: 1, parallel: {} };

let [alone, savedAlone]: Trained[] = [];
beforeAll(async () => {
  const jobs = [
    { ...ALONE, steps: STEPS },
    { ...ALONE, steps: SAVED, folder: folderOf("alone") },
  ];
  [[alone, savedAlone]] = (await trainAll(1, jobs)) as [Trained[]];
});
afterAll(() => rmSync(scratch, { recursive: true }));

function expectClose(values: readonly number[], expected: readonly number[]): void {
  expect(values).toHaveLength(expected.length);
  values.forEach((value, i) => expect(Math.abs(value / expected[i]! - 1)).toBeLessThan(1e-5));
}

test.each([2, 4, 8])("%d ranks train as one does, and one continues to the bit", async (ranks) => {
  const these = layouts.filter(([, needed]) => needed === ranks);
  const jobs = these.map(([name, , parallel]) => ({
    outer: 2,
    parallel,
    steps: SAVED,
    folder: folderOf(name),
  }));
  const results = await trainAll(ranks, jobs);
  for (const { losses, gradientNorms, liveTensors } of results.flat()) {
    expectClose(losses, alone!.losses.slice(0, SAVED));
    expectClose(gradientNorms, alone!.gradientNorms.slice(0, SAVED));
    expect(new Set(liveTensors).size).toBe(1);
  }
  const [continued] = await trainAll(
    1,
    these.flatMap(([name]) =>
      [SAVED, STEPS].map((steps) => ({ ...ALONE, steps, resume: checkpointOf(name) })),
    ),
  );
  these.forEach((_layout, i) => {
    const [loaded, trained] = continued!.slice(2 * i);
    for (const rank of results) expect(rank[i]!.state).toBe(loaded!.state);
    expectClose(trained!.losses, alone!.losses.slice(SAVED));
    expectClose([trained!.evaluation], [alone!.evaluation]);
  });
});

test("a checkpoint of one rank is continued along the axis", async () => {
  const job = { outer: 2, parallel: { tensor: 2 }, resume: checkpointOf("alone") };
  const results = await trainAll(
    4,
    [SAVED, STEPS].map((steps) => ({ ...job, steps })),
  );
  for (const [loaded, trained] of results) {
    expect(loaded!.state).toBe(savedAlone!.state);
    expectClose(trained!.losses, alone!.losses.slice(SAVED));
  }
});
