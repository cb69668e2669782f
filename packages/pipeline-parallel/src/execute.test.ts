// Every schedule, executed by several ranks, computes the gradients of a single one.

import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { expect, test } from "@jest/globals";
import { runThreads } from "@tessera/collectives";
import { createSchedules, simulate } from "./index.js";
import type { ClockedJob, ClockedResult } from "./programs/clocked.js";
import type { StageJob, StageResult } from "./programs/stages.js";

const program = pathToFileURL(join(__dirname, "../dist/programs/stages.js"));
const run = (ranks: number, data: readonly StageJob[]) =>
  runThreads<StageResult[]>({ program, ranks, data });

const jobs: readonly StageJob[] = [
  { kind: "gpipe", microbatches: 4, chunks: 1 },
  { kind: "1f1b", microbatches: 4, chunks: 1 },
  { kind: "zero-bubble", microbatches: 4, chunks: 1 },
  { kind: "interleaved", microbatches: 4, chunks: 2 },
];

const serial = run(1, [{ kind: "1f1b", microbatches: 4, chunks: 1 }]);

test.each([2, 4])("%i stages", async (stages) => {
  const expected = (await serial)[0]![0]!.gradients;
  const ranks = await run(stages, jobs);
  jobs.forEach(({ kind }, i) => {
    const gradients = Object.assign(
      {},
      ...ranks.map((rank) => rank[i]!.gradients),
    ) as typeof expected;
    expect([kind, Object.keys(gradients).sort()]).toEqual([kind, Object.keys(expected).sort()]);
    // Only the order in which microbatches' gradients are summed may differ.
    const worst = Math.max(
      ...Object.entries(expected).flatMap(([path, values]) =>
        [...values].map(
          (value, k) => Math.abs(gradients[path]![k]! - value) / (1 + Math.abs(value)),
        ),
      ),
    );
    expect([kind, worst < 1e-6 ? "equal" : worst]).toEqual([kind, "equal"]);
    expect(ranks.map((rank) => rank[i]!.leaked)).toEqual(ranks.map(() => 0));
  });
});

test("a step of more microbatches than messages have tags", async () => {
  const [interleaved, oneStage] = (["interleaved", "1f1b"] as const).map((kind): StageJob => ({
    kind,
    microbatches: 66,
    chunks: kind === "interleaved" ? 2 : 1,
  }));
  const expected = (await run(1, [oneStage!]))[0]![0]!.gradients;
  const ranks = await run(2, [interleaved!]);
  const gradients = ranks.flatMap((rank) => Object.entries(rank[0]!.gradients));
  expect(gradients).toHaveLength(Object.keys(expected).length);
  for (const [path, values] of gradients) {
    const largest = Math.max(...expected[path]!.map(Math.abs));
    const worst = Math.max(...values.map((value, k) => Math.abs(value - expected[path]![k]!)));
    expect([path, worst / largest < 1e-5]).toEqual([path, true]);
  }
});

const DURATIONS = { forward: 3, backward: 7, input: 4, weight: 3 };

test.each([2, 4])(
  "bubble and peak memory on %i stages are as `simulate` predicts",
  async (stages) => {
    const clocked = pathToFileURL(join(__dirname, "../dist/programs/clocked.js"));
    const all = [...jobs, ...jobs.map((job) => ({ ...job, microbatches: 8 }))];
    const data = all.map((job): ClockedJob => ({ ...job, durations: DURATIONS }));
    const ranks = await runThreads<ClockedResult[]>({ program: clocked, ranks: stages, data });
    all.forEach(({ kind, microbatches, chunks }, i) => {
      const schedules = createSchedules(kind, { stages, microbatches, chunks });
      const predicted = simulate(schedules, (action) => DURATIONS[action.kind]);
      const length = Math.max(...ranks.map((rank) => rank[i]!.end));
      const busy = ranks.reduce((sum, rank) => sum + rank[i]!.busy, 0);
      expect({ kind, length, bubble: 1 - busy / (length * stages) }).toEqual({
        kind,
        length: predicted.length,
        bubble: predicted.bubble,
      });
      expect(ranks.map((rank) => rank[i]!.peak)).toEqual(predicted.peakInFlight);
    });
  },
);
