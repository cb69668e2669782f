// Parameters before they exist: what each will be, and how a rank makes its own share of it.

import { tensor, type Tensor } from "@tensorflow/tfjs-core";
import { call, randomNormal, randomSlice } from "@tessera/kernels";
import { UNSHARDED, type ShardIndex } from "@tessera/mesh";
import { streamKey, fullSlice, type TensorSlice } from "@tessera/random";
import { partitionRange, type Partition } from "./partition.js";
import { leaves, mapTree, type Like, type Tree, type TreeOf } from "./tree.js";

/** How a parameter starts. The random one is a function of (seed, path, global index) alone. */
export type Initializer =
  | { readonly kind: "constant"; readonly value: number }
  | { readonly kind: "normal"; readonly std: number };

export interface ParamSpec {
  /** Of the whole parameter, over all ranks. */
  readonly shape: readonly number[];
  /** How tensor parallelism splits it; null where every rank holds the whole. */
  readonly partition: Partition | null;
  readonly init: Initializer;
  /** Whether weight decay pulls it to zero: matrices yes, gains and biases no. */
  readonly decay: boolean;
  /**
   * Whether it is used inside a stretch that ranks share out. What they compute there are parts of a sum,
   * and so are the gradients of a parameter that each of them holds whole. The stretch marks it.
   */
  readonly isTensorParallel?: boolean;
  /** How many gradients a backward pass gives it: one, unless it is said. */
  readonly gradientCount?: number;
  /** Whether both the first and the last stage of a pipeline hold it: their gradients are parts of a sum. */
  readonly isTiedAcrossStages?: boolean;
}

export const constant = (value: number): Initializer => ({ kind: "constant", value });
export const normal = (std: number): Initializer => ({ kind: "normal", std });

/** A matrix: random, decayed. */
export const matrix = (
  shape: readonly number[],
  partition: Partition | null,
  std: number,
): ParamSpec => ({ shape, partition, init: normal(std), decay: true });

/** A gain or bias: starts at `value`, not decayed. */
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

/** What `part` holds of a parameter. Throws a UserError, naming it, where it cannot be shared out so. */
export function shardSlice(
  { shape, partition }: ParamSpec,
  shard: ShardIndex,
  path: string,
): TensorSlice {
  if (partition === null || shard.count === 1) return fullSlice(shape);
  const { start, size } = partitionRange(shape[partition.dim]!, partition, shard, path);
  const zeros = shape.map(() => 0);
  return {
    shape: shape,
    start: zeros.with(partition.dim, start),
    size: shape.with(partition.dim, size),
  };
}

/** Parameters of one kind may lie in one flat tensor: optimizers and ranks treat them alike. */
export function bucketKey({
  decay,
  isTensorParallel = false,
  isTiedAcrossStages = false,
  partition,
}: ParamSpec): string {
  const share =
    partition === null
      ? "whole"
      : partition.rule === "shared"
        ? `shared ${partition.units}`
        : "cut";
  return `${share} ${isTensorParallel} ${isTiedAcrossStages} ${decay}`;
}

/** Throws a UserError that names the first parameter that cannot be shared out to `count` ranks. */
export function checkPartition(spec: TreeOf<ParamSpec>, count: number): void {
  for (const [path, leaf] of leaves<ParamSpec>(spec)) shardSlice(leaf, { index: 0, count }, path);
}

/** This rank's share of the parameters that `spec` describes. The caller owns them. */
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
      const size = slice.size.reduce((a, b) => a * b, 1);
      return tensor(new Float32Array(size).fill(init.value), [...slice.size]);
    }
    case "normal": {
      const sampled = randomSlice(slice, streamKey(seed, path));
      return call(randomNormal, {}, { ...sampled, mean: 0, std: init.std }).y;
    }
  }
}
