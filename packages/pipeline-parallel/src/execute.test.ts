// Every schedule, carried out by ranks, makes the gradients that one rank makes.

import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { expect, test } from "@jest/globals";
import { runThreads } from "@tessera/collectives";
import { createSchedules, simulate } from "./index.js";
import type { Clocked, ClockedJob } from "./programs/clocked.js";
import type { Done, Job } from "./programs/stages.js";

const program = pathToFileURL(join(__dirname, "../dist/programs/stages.js"));
const run = (ranks: number, data: readonly Job[]) => runThreads<Done[]>({ program, ranks, data });

const jobs: readonly Job[] = [
  { kind: "gpipe", micros: 4, chunks: 1 },
  { kind: "1f1b", micros: 4, chunks: 1 },
  { kind: "zero-bubble", micros: 4, chunks: 1 },
  { kind: "interleaved", micros: 4, chunks: 2 },
];

const serial = run(1, [{ kind: "1f1b", micros: 4, chunks: 1 }]);

test.each([2, 4])("%i stages", async (stages) => {
  const expected = (await serial)[0]![0]!.gradients;
  const ranks = await run(stages, jobs);
  jobs.forEach(({ kind }, i) => {
    const gradients = Object.assign(
      {},
      ...ranks.map((rank) => rank[i]!.gradients),
    ) as typeof expected;
    expect([kind, Object.keys(gradients).sort()]).toEqual([kind, Object.keys(expected).sort()]);
    // Each micro-batch's gradients are the same products; only the order of their sum may differ.
    const worst = Math.max(
      ...Object.entries(expected).flatMap(([path, values]) =>
        [...values].map(
          (value, at) => Math.abs(gradients[path]![at]! - value) / (1 + Math.abs(value)),
        ),
      ),
    );
    expect([kind, worst < 1e-6 ? "equal" : worst]).toEqual([kind, "equal"]);
    expect(ranks.map((rank) => rank[i]!.leaked)).toEqual(ranks.map(() => 0));
  });
});

test("a step of more micro-batches than messages have tags", async () => {
  const [interleaved, serially] = (["interleaved", "1f1b"] as const).map((kind): Job => ({
    kind,
    micros: 66,
    chunks: kind === "interleaved" ? 2 : 1,
  }));
  const expected = (await run(1, [serially!]))[0]![0]!.gradients;
  const ranks = await run(2, [interleaved!]);
  const gradients = ranks.flatMap((rank) => Object.entries(rank[0]!.gradients));
  expect(gradients).toHaveLength(Object.keys(expected).length);
  for (const [path, values] of gradients) {
    const largest = Math.max(...expected[path]!.map(Math.abs));
    const worst = Math.max(...values.map((value, at) => Math.abs(value - expected[path]![at]!)));
    expect([path, worst / largest < 1e-5]).toEqual([path, true]);
  }
});

const DURATIONS = { forward: 3, backward: 7, input: 4, weight: 3 };

test.each([2, 4])(
  "%i stages wait, and keep in flight, what `simulate` foretells",
  async (stages) => {
    const clocked = pathToFileURL(join(__dirname, "../dist/programs/clocked.js"));
    const all = [...jobs, ...jobs.map((job) => ({ ...job, micros: 8 }))];
    const data = all.map((job): ClockedJob => ({ ...job, durations: DURATIONS }));
    const ranks = await runThreads<Clocked[]>({ program: clocked, ranks: stages, data });
    all.forEach(({ kind, micros: microbatches, chunks }, i) => {
      const schedules = createSchedules(kind, { stages, microbatches, chunks });
      const foretold = simulate(schedules, (action) => DURATIONS[action.kind]);
      const length = Math.max(...ranks.map((rank) => rank[i]!.end));
      const busy = ranks.reduce((sum, rank) => sum + rank[i]!.busy, 0);
      expect({ kind, length, bubble: 1 - busy / (length * stages) }).toEqual({
        kind,
        length: foretold.length,
        bubble: foretold.bubble,
      });
      expect(ranks.map((rank) => rank[i]!.peak)).toEqual(foretold.peakInFlight);
    });
  },
);
