// `@tessera/params/placement`: what a tensor is across the ranks of a parallel axis. The compiler checks it; at run time there is nothing of it.

import type { Tensor } from "@tensorflow/tfjs-core";

/** Each rank has its shard along a dimension, and the same shard of the gradient: `sharded:heads`. */
export type Sharded<Dim extends string = string> = `sharded:${Dim}`;

/**
 * `invariant`: equal on every rank, and so is its gradient. `replicated`: equal on every rank, but each rank's gradient
 * is one term of a sum. `partial`: each rank has one term of a sum, and the gradient is equal on every rank.
 */
export type Placement = "invariant" | "replicated" | "partial" | Sharded;

/** The placement of the gradient of a tensor with placement `P`, so that forward's placements are also backward's. */
export type GradientOf<P extends Placement> = P extends "replicated"
  ? "partial"
  : P extends "partial"
    ? "replicated"
    : P;

declare const placement: unique symbol;

/** A tensor with placement `P` along `Axis`. A plain tensor is none: `claim` says what it is. */
export interface Placed<P extends Placement, Axis extends string = "tensor"> extends Tensor {
  readonly [placement]: Readonly<Record<Axis, P>>;
}

/** A plain tensor, which is taken for one with placement `P`, or one that has it; but none that has another. */
export interface Unplaced<P extends Placement> extends Tensor {
  readonly [placement]?: Readonly<Record<"tensor", P>>;
}

/**
 * x, of which the caller says that it has placement `P`. The compiler takes this word for it: `checkPlacement` of
 * `@tessera/layers/laws` holds layers to it.
 */
export const claim = <P extends Placement, Axis extends string = "tensor">(
  x: Tensor,
): Placed<P, Axis> => x as Placed<P, Axis>;
