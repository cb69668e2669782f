// What a run asks of all its axes together.

import type { Tensor } from "@tensorflow/tfjs-core";
import type { ReduceOp } from "@tessera/collectives";
import type { Tree } from "@tessera/params";
import { UNSHARDED, type ShardIndex } from "@tessera/mesh";
import type { ParallelAxis } from "./axis.js";

type Axes = readonly ParallelAxis[];

/** This rank among those of all `axes`, the first axis outermost. */
export const rankAmong = (axes: Axes): ShardIndex =>
  axes.reduce(
    ({ index, count }, { group: { rank, size } }) => ({
      index: index * size + rank,
      count: count * size,
    }),
    UNSHARDED,
  );

/** Which shard of each step's samples this rank has. */
export const sampleShard = (axes: Axes): ShardIndex =>
  rankAmong(axes.filter(({ batch }) => batch === "samples"));

/** The axes whose ranks' losses add up to that of the whole batch. */
export const lossAxes = (axes: Axes): Axes => axes.filter(({ batch }) => batch !== "same");

/** Whether this rank is the one that logs. */
export const isFirstRank = (axes: Axes): boolean => rankAmong(axes).index === 0;

/** `gradients` with the terms that ranks of all `axes` computed added up. Consumes them. */
export const completeGradients = (axes: Axes, gradients: Tree): Tree =>
  axes.reduceRight((summed, axis) => axis.completeGradients(summed), gradients);

/** How many ranks of `axes` hold the parameter at `path`. */
export const replicaCount = (axes: Axes, path: string): number =>
  axes.reduce(
    (count, axis) => (axis.group.size === 1 ? count : count * axis.replica(path).count),
    1,
  );

/** x reduced over the ranks of all `axes`. Consumes x; nothing is read back. */
export const allReduceOver = (axes: Axes, x: Tensor, op: ReduceOp = "sum"): Tensor =>
  axes.reduceRight((own, { group }) => {
    if (group.size === 1) return own;
    const total = group.allReduce(own, op).wait();
    own.dispose();
    return total;
  }, x);

/** A plain number reduced over the ranks of all `axes`, which all call this, in fp32. */
export const allReduceScalar = (axes: Axes, value: number, op: ReduceOp = "sum"): number =>
  axes.reduceRight(
    (own, { group }) =>
      group.size === 1 ? own : group.allReduceValues(Float32Array.of(own), op).wait()[0]!,
    value,
  );

/** Whether `here` holds on any rank. Called by all of them. */
export const anyRank = (axes: Axes, here: boolean): boolean =>
  allReduceScalar(axes, here ? 1 : 0, "max") > 0;
