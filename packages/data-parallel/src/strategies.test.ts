// Every strategy stores, reduces and returns the same values on any number of ranks, also where sizes do not divide.

import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { describe, expect, test } from "@jest/globals";
import { runThreads } from "@tessera/collectives";
import { leaves, matrix, vector, shardSlice, type ParamSpec, type TreeOf } from "@tessera/params";
import { sizeOf } from "@tessera/kernels/contract";
import { UNSHARDED, type ShardIndex } from "@tessera/mesh";
import { planBuckets, type SumOrder } from "./index.js";
import type { Comparison } from "./programs/sharded_model.js";
import {
  gradientAt,
  weightAt,
  type StrategyJob,
  type StrategyResult,
} from "./programs/strategies.js";

const program = pathToFileURL(join(__dirname, "../dist/programs/strategies.js"));

const columns = { dim: 1, units: 4, unitName: "columns", rule: "even" } as const;

/** Some sizes are divisible by two and three ranks, others are not. */
const spec: TreeOf<ParamSpec> = {
  table: { ...matrix([3, 5], null, 1), gradientCount: 2 },
  stack: {
    first: { weight: matrix([4, 4], columns, 1), bias: vector([7], null, 0) },
    second: { weight: matrix([6, 4], columns, 1), bias: vector([5], null, 0) },
  },
  gain: vector([1], null, 1),
};

const MICROBATCHES = 2;
const stages = [0, 1, 2, 3] as const;
const BUCKETS = [0, 48, 1000];

const createJob = (
  sumOrder: SumOrder,
  stage: StrategyJob["stage"],
  bucketBytes: number,
  shard: ShardIndex,
): StrategyJob => {
  const shapes = leaves<ParamSpec>(spec).map(
    ([path, leaf]) => [path, shardSlice(leaf, shard, path).size] as const,
  );
  return {
    stage,
    sumOrder,
    bucketBytes,
    shard,
    spec,
    microbatches: MICROBATCHES,
    shapes: Object.fromEntries(shapes),
  };
};

const jobs = (["fixed", "free"] as const).flatMap((sumOrder) =>
  stages.flatMap((stage) => [
    ...(stage === 3 ? [0] : BUCKETS).map((bytes) => createJob(sumOrder, stage, bytes, UNSHARDED)),
    createJob(sumOrder, stage, 48, { index: 1, count: 2 }),
  ]),
);

/** The elements of each parameter of a job, by a function of their index. */
const fillParams = ({ shapes }: StrategyJob, valueAt: (path: string, i: number) => number) =>
  Object.fromEntries(
    Object.entries(shapes).map(([path, shape]) => [
      path,
      Array.from({ length: sizeOf(shape) }, (_, i) => valueAt(path, i)),
    ]),
  );

/** The gradient summed over ranks and microbatches. */
const gradientSumAt = (ranks: number) => (path: string, i: number) => {
  let sum = 0;
  for (let rank = 0; rank < ranks; rank += 1) {
    for (let microbatch = 0; microbatch < MICROBATCHES; microbatch += 1)
      sum += gradientAt(path, i, rank, microbatch);
  }
  return sum;
};

/** Collective calls that reduce gradients in a step, by ZeRO stage (Rajbhandari et al., 2020). */
function expectedReductions(job: StrategyJob, ranks: number): number {
  const { sumOrder, stage, bucketBytes, shard } = job;
  if (ranks === 1) return 0;
  const gradientCount = leaves<ParamSpec>(spec).reduce(
    (sum, [, leaf]) => sum + (leaf.gradientCount ?? 1),
    0,
  );
  if (stage === 3) return MICROBATCHES * gradientCount; // each gradient by itself
  const buckets = planBuckets(spec, { ranks, bytes: bucketBytes, shard });
  if (sumOrder === "free") return buckets.length * (stage === 2 ? MICROBATCHES : 1); // in each pass, or in the last
  const gradients = buckets.map(({ slots: [first] }) => first!.gradientCount);
  return MICROBATCHES * gradients.reduce((sum, count) => sum + count, 0);
}

describe.each([1, 2, 3])("%i ranks", (ranks) => {
  const found = runThreads<StrategyResult[]>({ program, ranks, data: jobs });
  const rows = jobs.map((job, i) => [
    `${job.sumOrder} order, ZeRO ${job.stage}, buckets of ${job.bucketBytes}, tensor-parallel degree ${job.shard.count}`,
    { job, i },
  ]) as [string, { job: StrategyJob; i: number }][];

  test.each(rows)("%s: weights survive the round trip", async (_name, { job, i }) => {
    for (const rank of await found) {
      const weights = fillParams(job, weightAt);
      const { full, gathered, roundTrip, leaked, matchesLayouts } = rank[i]!;
      expect({ full, gathered, roundTrip }).toEqual({
        full: weights,
        gathered: weights,
        roundTrip: weights,
      });
      expect({ leaked, matchesLayouts }).toEqual({ leaked: 0, matchesLayouts: true });
    }
  });

  test.each(rows)(
    "%s: optimizer shards of all ranks cover each element once",
    async (_name, { job, i }) => {
      const all = (await found).map((rank) => rank[i]!);
      const elements = Object.entries(fillParams(job, weightAt)).flatMap(([path, values]) =>
        values.map((value, k) => [`${path} ${k}`, value] as const),
      );
      const values = new Map<string, number>(elements);
      const counts = new Map<string, number>();
      for (const { elements: owned, replica } of all) {
        for (const [element, value] of owned) {
          expect([element, value]).toEqual([element, values.get(element)]);
          counts.set(element, (counts.get(element) ?? 0) + 1 / replica.count);
        }
      }
      expect([...counts.keys()].sort()).toEqual(elements.map(([element]) => element).sort());
      for (const count of counts.values()) expect(count).toBeCloseTo(1, 12);
      const replicas =
        job.stage === 0
          ? all.map((_, index) => ({ index, count: ranks }))
          : all.map(() => UNSHARDED);
      expect(all.map(({ replica }) => replica)).toEqual(replicas);
      // Each tensor is padded by less than one element per rank.
      const padding = all.reduce((sum, { padding: own }) => sum + own, 0);
      expect(padding).toBeLessThanOrEqual((ranks - 1) * leaves(spec).length);
    },
  );

  test.each(rows)("%s: gradients are summed over ranks and passes", async (_name, { job, i }) => {
    const sums = fillParams(job, gradientSumAt(ranks));
    const squares = Object.values(sums)
      .flat()
      .reduce((sum, value) => sum + value ** 2, 0);
    for (const rank of await found) {
      expect(rank[i]!.sums).toEqual(sums);
      expect(rank[i]!.sumsOfSquares).toEqual([squares, 0]);
    }
  });

  test.each(rows)(
    "%s: the number of reductions is that of the stage",
    async (_name, { job, i }) => {
      for (const rank of await found)
        expect(rank[i]!.reductions).toBe(expectedReductions(job, ranks));
    },
  );
});

test.each([1, 2, 3])(
  "a model with sharded weights on %i ranks computes what a replicated one does",
  async (ranks) => {
    const model = pathToFileURL(join(__dirname, "../dist/programs/sharded_model.js"));
    for (const { replicated, sharded, leaked } of await runThreads<Comparison>({
      program: model,
      ranks,
    })) {
      expect({ ...sharded, gradients: {} }).toEqual({ ...replicated, gradients: {} });
      expect(Object.keys(sharded.gradients)).toEqual(Object.keys(replicated.gradients));
      for (const [path, values] of Object.entries(replicated.gradients)) {
        const largest = Math.max(...values.map(Math.abs));
        values.forEach((value, i) => {
          // Only the order of summation differs.
          expect(Math.abs(sharded.gradients[path]![i]! - value)).toBeLessThan(1e-5 * largest);
        });
      }
      expect(leaked).toBe(0);
    }
  },
);
