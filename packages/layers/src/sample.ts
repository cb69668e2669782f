// Random tensors for checks of layers.

import { randomNormal, type Tensor } from "@tensorflow/tfjs-core";
import type { ShardIndex } from "@tessera/mesh";
import {
  mapTree,
  materialize,
  normal,
  type ParamSpec,
  type Tree,
  type TreeOf,
} from "@tessera/params";

/** Normally distributed elements in the shape of `like`. */
export const sampleLike = (like: Tensor, seed: number): Tensor =>
  randomNormal(like.shape, 0, 1, "float32", seed);

/** Random values for a shard of all parameters: initial zeros and ones hide mistakes. */
export function sampleParameters(spec: TreeOf<ParamSpec>, shard?: ShardIndex): Tree {
  const random = mapTree(spec, (leaf: ParamSpec) => ({ ...leaf, init: normal(0.5) }));
  return materialize(random as TreeOf<ParamSpec>, 17, shard);
}
