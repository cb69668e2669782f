// Parameter specs: shape, partition and initializer; and how a rank materializes its shard.

import { tensor, type Tensor } from "@tensorflow/tfjs-core";
import { call, randomNormal, randomSlice } from "@tessera/kernels";
import { sizeOf } from "@tessera/kernels/contract";
import { UNSHARDED, type ShardIndex } from "@tessera/mesh";
import {
  contiguousRuns,
  fillUniform,
  fullSlice,
  streamKey,
  type TensorSlice,
} from "@tessera/random";
import { partitionRange, type Partition } from "./partition.js";
import { leaves, mapTree, type Like, type Tree, type TreeOf } from "./tree.js";

/** Initial values. Random ones are a function of (seed, path, global index) alone, whatever the layout. */
export type Initializer =
  | { readonly kind: "constant"; readonly value: number }
  | { readonly kind: "normal"; readonly std: number }
  /** Between -bound and bound. */
  | { readonly kind: "uniform"; readonly bound: number };

/** All that is known of a parameter before it is initialized. */
export interface ParamSpec {
  /** The shape of the full parameter. */
  readonly shape: readonly number[];
  /** How tensor parallelism shards it; null if it is replicated. */
  readonly partition: Partition | null;
  readonly init: Initializer;
  /** Whether weight decay applies: to matrices, not to norm weights and biases. */
  readonly decay: boolean;
  /**
   * Whether it is used inside a tensor-parallel region, where activations are partial sums, and so are the gradients of
   * parameters that are replicated there: they need an all-reduce. Set by `TensorParallel`. Default: false.
   */
  readonly isTensorParallel?: boolean;
  /**
   * Whether it is not trained: it has no gradient, no optimizer state and no weight decay. Set by `freeze`. Default:
   * false.
   */
  readonly isFrozen?: boolean;
  /** Number of gradients that one backward pass produces for it. Default: 1. */
  readonly gradientCount?: number;
  /** Whether the first and the last pipeline stage both have it, so that its gradients need an all-reduce. Default: false. */
  readonly isTiedAcrossStages?: boolean;
}

/** All elements have one value. */
export const constant = (value: number): Initializer => ({ kind: "constant", value });
/** Normally distributed, with mean 0. */
export const normal = (std: number): Initializer => ({ kind: "normal", std });

/** A matrix: normally distributed, with weight decay. */
export const matrix = (
  shape: readonly number[],
  partition: Partition | null,
  std: number,
): ParamSpec => ({ shape, partition, init: normal(std), decay: true });

/** A norm weight or bias: starts at `value`, without weight decay. */
export const vector = (
  shape: readonly number[],
  partition: Partition | null,
  value: number,
): ParamSpec => ({
  shape,
  partition,
  init: constant(value),
  decay: false,
});

/**
 * The slice of a parameter that `shard` has.
 * @throws UserError that names the parameter where it cannot be sharded over so many ranks.
 */
export function shardSlice(
  { shape, partition }: ParamSpec,
  shard: ShardIndex,
  path: string,
): TensorSlice {
  if (partition === null || shard.count === 1) return fullSlice(shape);
  const { start, size } = partitionRange(shape[partition.dim]!, partition, shard, path);
  const zeros = shape.map(() => 0);
  return {
    shape,
    start: zeros.with(partition.dim, start),
    size: shape.with(partition.dim, size),
  };
}

/** Parameters with one key may share a flat bucket: optimizers and reductions treat them alike. */
export function bucketKey({
  decay,
  isTensorParallel = false,
  isTiedAcrossStages = false,
  partition,
}: ParamSpec): string {
  const sharding =
    partition === null
      ? "replicated"
      : partition.rule === "replicated"
        ? `replicated ${partition.units}`
        : "sharded";
  return `${sharding} ${isTensorParallel} ${isTiedAcrossStages} ${decay}`;
}

/**
 * Refuses a degree of tensor parallelism that some parameter cannot be sharded by.
 * @throws UserError that names the first parameter that cannot be sharded over `count` ranks.
 */
export function checkPartition(spec: TreeOf<ParamSpec>, count: number): void {
  for (const [path, leaf] of leaves<ParamSpec>(spec)) shardSlice(leaf, { index: 0, count }, path);
}

/** This rank's shard of the parameters that `spec` describes. The caller owns them. */
export function materialize<P extends Tree>(
  spec: Like<P, ParamSpec>,
  seed: number,
  shard: ShardIndex = UNSHARDED,
): P {
  return mapTree(spec, (leaf: ParamSpec, path): Tensor => {
    const slice = shardSlice(leaf, shard, path);
    return initialize(leaf.init, slice, seed, path);
  }) as unknown as P;
}

function initialize(init: Initializer, slice: TensorSlice, seed: number, path: string): Tensor {
  switch (init.kind) {
    case "constant": {
      return tensor(new Float32Array(sizeOf(slice.size)).fill(init.value), [...slice.size]);
    }
    case "normal": {
      const sampled = randomSlice(slice, streamKey(seed, path));
      return call(randomNormal, {}, { ...sampled, mean: 0, std: init.std }).y;
    }
    case "uniform": {
      const values = new Float32Array(sizeOf(slice.size));
      const key = streamKey(seed, path);
      for (const { offset, sliceOffset, length } of contiguousRuns(slice)) {
        fillUniform(values.subarray(sliceOffset, sliceOffset + length), key, offset);
      }
      return tensor(
        values.map((value) => (2 * value - 1) * init.bound),
        [...slice.size],
      );
    }
  }
}
