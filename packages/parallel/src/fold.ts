// Questions and reductions over all axes of a run.

import { reshape, sum, tidy, type Tensor } from "@tensorflow/tfjs-core";
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

/** Whether this rank has the first of the replicas along `axes` of its part of the parameter at `path`. */
export const hasFirstReplica = (axes: Axes, path: string): boolean =>
  axes.every((axis) => axis.group.size === 1 || axis.replica(path).index === 0);

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

/**
 * The sum [n] of all ranks' `terms`, of which each has one row [n] for each microbatch of its own: in the order of the
 * global batch, whoever has which. Consumes `terms`.
 */
export function sumMicrobatches(
  axes: Axes,
  terms: Placed<"partial", "run">,
): Placed<"invariant", "run"> {
  const [microbatches, width] = terms.shape as [number, number];
  const all = axes.reduceRight<Tensor>(
    (own, { batch, group }) => {
      if (batch === "same" || group.size === 1) return own;
      const work = batch === "samples" ? group.allGather(own, 1) : group.allReduce(own);
      const together = work.wait();
      own.dispose();
      return together;
    },
    reshape(terms, [microbatches, 1, width]),
  );
  const total = tidy(() => sum<Tensor>(reshape(all, [-1, width]), 0));
  for (const spent of [terms, all]) spent.dispose();
  return claim(total);
}

/** All-reduces numbers over the ranks of all `axes`. All of them must call it. */
export const allReduceValues = (
  axes: Axes,
  values: Float32Array,
  op: ReduceOp = "sum",
): Float32Array =>
  axes.reduceRight(
    (partial, { group }) =>
      group.size === 1 ? partial : group.allReduceValues(partial, op).wait(),
    values,
  );

/** Whether `here` is true on any rank of `axes`. All of them must call it. */
export const anyRank = (axes: Axes, here: boolean): boolean =>
  allReduceValues(axes, Float32Array.of(here ? 1 : 0), "max")[0]! > 0;
