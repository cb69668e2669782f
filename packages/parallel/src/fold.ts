// Questions and reductions over all axes of a run.

import type { Tensor } from "@tensorflow/tfjs-core";
import type { ReduceOp } from "@tessera/collectives";
import { UNSHARDED, type ShardIndex } from "@tessera/mesh";
import type { Tree } from "@tessera/params";
import { claim, type Placed } from "@tessera/params/placement";
import type { CompleteGradients, ParallelAxis, PartialGradients } from "./axis.js";

type Axes = readonly ParallelAxis[];

/** Index of this rank among the ranks of all `axes`, the first axis outermost, and their number. */
export const rankAmong = (axes: Axes): ShardIndex =>
  axes.reduce(
    ({ index, count }, { group: { rank, size } }) => ({
      index: index * size + rank,
      count: count * size,
    }),
    UNSHARDED,
  );

/** This rank's shard of the samples of each step. */
export const sampleShard = (axes: Axes): ShardIndex =>
  rankAmong(axes.filter(({ batch }) => batch === "samples"));

/** The axes over which the losses of ranks are summed for that of the global batch. */
export const lossAxes = (axes: Axes): Axes => axes.filter(({ batch }) => batch !== "same");

/** Whether this is the first rank, which logs. */
export const isFirstRank = (axes: Axes): boolean => rankAmong(axes).index === 0;

/** All-reduces those gradients that are partial sums along any of `axes`. Consumes `gradients`. */
export const completeGradients = (axes: Axes, gradients: PartialGradients): CompleteGradients =>
  axes.reduceRight<Tree>(
    (sums, axis) => axis.completeGradients(sums),
    gradients,
  ) as CompleteGradients;

/** How many ranks of `axes` have the same part of the parameter at `path`. */
export const replicaCount = (axes: Axes, path: string): number =>
  axes.reduce(
    (count, axis) => (axis.group.size === 1 ? count : count * axis.replica(path).count),
    1,
  );

/** All-reduces x over the ranks of all `axes`, without reading it back. Consumes x. */
export const allReduceOver = (
  axes: Axes,
  x: Placed<"partial", "run">,
): Placed<"invariant", "run"> =>
  claim(
    axes.reduceRight<Tensor>((partial, { group }) => {
      if (group.size === 1) return partial;
      const total = group.allReduce(partial).wait();
      partial.dispose();
      return total;
    }, x),
  );

/** All-reduces a number over the ranks of all `axes`, in fp32. All of them must call it. */
export const allReduceScalar = (axes: Axes, value: number, op: ReduceOp = "sum"): number =>
  axes.reduceRight(
    (partial, { group }) =>
      group.size === 1 ? partial : group.allReduceValues(Float32Array.of(partial), op).wait()[0]!,
    value,
  );

/** Whether `here` is true on any rank of `axes`. All of them must call it. */
export const anyRank = (axes: Axes, here: boolean): boolean =>
  allReduceScalar(axes, here ? 1 : 0, "max") > 0;
