// Every strategy, on one rank and on several, holds, sums and gives back the same, whatever divides evenly.

import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { describe, expect, test } from "@jest/globals";
import { runThreads } from "@tessera/collectives";
import { leaves, matrix, vector, shardSlice, type ParamSpec, type TreeOf } from "@tessera/params";
import { UNSHARDED, type ShardIndex } from "@tessera/mesh";
import { planBuckets } from "./index.js";
import type { Compared } from "./programs/sharded_model.js";
import { gradientOf, weightOf, type Shared, type SharingJob } from "./programs/sharings.js";

const program = pathToFileURL(join(__dirname, "../dist/programs/sharings.js"));

const columns = { dim: 1, units: 4, unitName: "columns", rule: "even" } as const;

/** Sizes that two and three ranks divide, and that they do not. */
const spec: TreeOf<ParamSpec> = {
  table: { ...matrix([3, 5], null, 1), gradientCount: 2 },
  stack: {
    first: { weight: matrix([4, 4], columns, 1), bias: vector([7], null, 0) },
    second: { weight: matrix([6, 4], columns, 1), bias: vector([5], null, 0) },
  },
  gain: vector([1], null, 1),
};

const MICROS = 2;
const stages = [0, 1, 2, 3] as const;
const BUCKETS = [0, 48, 1000];

const jobOf = (stage: SharingJob["stage"], bucketBytes: number, shard: ShardIndex): SharingJob => {
  const shapes = leaves<ParamSpec>(spec).map(
    ([path, leaf]) => [path, shardSlice(leaf, shard, path).size] as const,
  );
  return {
    stage,
    bucketBytes,
    part: shard,
    spec,
    micros: MICROS,
    shapes: Object.fromEntries(shapes),
  };
};

const jobs = stages.flatMap((stage) => [
  ...(stage === 3 ? [0] : BUCKETS).map((bytes) => jobOf(stage, bytes, UNSHARDED)),
  jobOf(stage, 48, { index: 1, count: 2 }),
]);

/** Of each parameter of a job, what `valueOf` says of its elements. */
const expected = ({ shapes }: SharingJob, valueOf: (path: string, at: number) => number) =>
  Object.fromEntries(
    Object.entries(shapes).map(([path, shape]) => [
      path,
      Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, at) => valueOf(path, at)),
    ]),
  );

/** The sum over ranks and micro-batches. */
const sumOf = (ranks: number) => (path: string, at: number) => {
  let sum = 0;
  for (let rank = 0; rank < ranks; rank += 1) {
    for (let micro = 0; micro < MICROS; micro += 1) sum += gradientOf(path, at, rank, micro);
  }
  return sum;
};

/** How often ranks reduce in a step, by what the stages are (Rajbhandari et al., 2020). */
function reductionsOf({ stage, bucketBytes, part: shard }: SharingJob, ranks: number): number {
  if (ranks === 1) return 0;
  const uses = leaves<ParamSpec>(spec).reduce(
    (sum, [, leaf]) => sum + (leaf.gradientCount ?? 1),
    0,
  );
  if (stage === 3) return MICROS * uses; // each gradient as it is made
  const buckets = planBuckets(spec, { ranks, bytes: bucketBytes, shard }).length;
  return stage === 2 ? MICROS * buckets : buckets; // a bucket in each pass, or in the last
}

describe.each([1, 2, 3])("%i ranks", (ranks) => {
  const found = runThreads<Shared[]>({ program, ranks, data: jobs });
  const rows = jobs.map((job, i) => [
    `ZeRO ${job.stage}, buckets of ${job.bucketBytes}, a part of ${job.part.count}`,
    { job, i },
  ]) as [string, { job: SharingJob; i: number }][];

  test.each(rows)("%s: weights come back as they were", async (_name, { job, i }) => {
    for (const rank of await found) {
      const weights = expected(job, weightOf);
      const { whole, gathered, released, leaked, isShaped } = rank[i]!;
      expect({ whole, gathered, released }).toEqual({
        whole: weights,
        gathered: weights,
        released: weights,
      });
      expect({ leaked, isShaped }).toEqual({ leaked: 0, isShaped: true });
    }
  });

  test.each(rows)("%s: all ranks together own each element once", async (_name, { job, i }) => {
    const all = (await found).map((rank) => rank[i]!);
    const elements = Object.entries(expected(job, weightOf)).flatMap(([path, values]) =>
      values.map((value, at) => [`${path} ${at}`, value] as const),
    );
    const values = new Map<string, number>(elements);
    const copies = new Map<string, number>();
    for (const { owned, copy } of all) {
      for (const [element, value] of owned) {
        expect([element, value]).toEqual([element, values.get(element)]);
        copies.set(element, (copies.get(element) ?? 0) + 1 / copy.count);
      }
    }
    expect([...copies.keys()].sort()).toEqual(elements.map(([element]) => element).sort());
    for (const count of copies.values()) expect(count).toBeCloseTo(1, 12);
    // Stage 0 shares nothing out, stages 2 and 3 gradients too.
    const alike =
      job.stage === 0 ? all.map((_, index) => ({ index, count: ranks })) : all.map(() => UNSHARDED);
    expect(all.map(({ copy }) => copy)).toEqual(alike);
    expect(new Set(all.map(({ sharesGradients }) => sharesGradients))).toEqual(
      new Set([job.stage >= 2]),
    );
    // What fills up pieces is less than one element of each rank, for each tensor.
    const padding = all.reduce((sum, one) => sum + one.padding, 0);
    expect(padding).toBeLessThanOrEqual((ranks - 1) * leaves(spec).length);
  });

  test.each(rows)("%s: gradients are summed over ranks and passes", async (_name, { job, i }) => {
    const sums = expected(job, sumOf(ranks));
    const squares = Object.values(sums)
      .flat()
      .reduce((sum, value) => sum + value ** 2, 0);
    for (const rank of await found) {
      expect(rank[i]!.sums).toEqual(sums);
      expect(rank[i]!.squares[0]! / squares).toBeCloseTo(1, 6);
      expect(rank[i]!.squares[1]! / squares).toBeCloseTo(0.25, 6);
    }
  });

  test.each(rows)("%s: ranks send each other what the stage needs", async (_name, { job, i }) => {
    for (const rank of await found) expect(rank[i]!.reductions).toBe(reductionsOf(job, ranks));
  });
});

test.each([1, 2, 3])(
  "%i ranks that hold pieces of weights compute what ranks with all of them do",
  async (ranks) => {
    const model = pathToFileURL(join(__dirname, "../dist/programs/sharded_model.js"));
    for (const { whole, sharded, leaked } of await runThreads<Compared>({
      program: model,
      ranks,
    })) {
      expect({ ...sharded, gradients: {} }).toEqual({ ...whole, gradients: {} });
      expect(Object.keys(sharded.gradients)).toEqual(Object.keys(whole.gradients));
      for (const [path, values] of Object.entries(whole.gradients)) {
        const largest = Math.max(...values.map(Math.abs));
        values.forEach((value, i) => {
          // Only the order of sums differs.
          expect(Math.abs(sharded.gradients[path]![i]! - value)).toBeLessThan(1e-5 * largest);
        });
      }
      expect(leaked).toBe(0);
    }
  },
);
