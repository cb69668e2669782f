// Parameters before they exist: what each will be, and how a rank makes its own share of it.

import { tensor, type Tensor } from "@tensorflow/tfjs-core";
import { call, drawOf, randomNormal } from "@tessera/kernels";
import { WHOLE, type Part } from "@tessera/mesh";
import { streamKey, wholeWindow, type Window } from "@tessera/random";
import { spanOf, type Cut } from "./cut.js";
import { leaves, mapTree, type Like, type Tree, type TreeOf } from "./tree.js";

/** How a parameter starts. The random one is a function of (seed, path, global index) alone. */
export type Initializer =
  | { readonly kind: "constant"; readonly value: number }
  | { readonly kind: "normal"; readonly deviation: number };

export interface ParamSpec {
  /** Of the whole parameter, over all ranks. */
  readonly shape: readonly number[];
  /** How tensor parallelism splits it; null where every rank holds the whole. */
  readonly cut: Cut | null;
  readonly init: Initializer;
  /** Whether weight decay pulls it to zero: matrices yes, gains and biases no. */
  readonly decay: boolean;
  /**
   * Whether it is used inside a stretch that ranks share out. What they compute there are parts of a sum,
   * and so are the gradients of a parameter that each of them holds whole. The stretch marks it.
   */
  readonly inside?: boolean;
  /** How many gradients a backward pass gives it: one, unless it is said. */
  readonly uses?: number;
  /** Whether both the first and the last stage of a pipeline hold it: their gradients are parts of a sum. */
  readonly onBothEnds?: boolean;
}

export const constant = (value: number): Initializer => ({ kind: "constant", value });
export const normal = (deviation: number): Initializer => ({ kind: "normal", deviation });

/** A matrix: random, decayed. */
export const matrix = (
  shape: readonly number[],
  cut: Cut | null,
  deviation: number,
): ParamSpec => ({ shape, cut, init: normal(deviation), decay: true });

/** A gain or bias: starts at `value`, not decayed. */
export const vector = (shape: readonly number[], cut: Cut | null, value: number): ParamSpec => ({
  shape,
  cut,
  init: constant(value),
  decay: false,
});

/** What `part` holds of a parameter. Throws a UserError, naming it, where it cannot be shared out so. */
export function windowOf({ shape, cut }: ParamSpec, part: Part, path: string): Window {
  if (cut === null || part.count === 1) return wholeWindow(shape);
  const { start, size } = spanOf(shape[cut.dim]!, cut, part, path);
  const zeros = shape.map(() => 0);
  return { whole: shape, start: zeros.with(cut.dim, start), size: shape.with(cut.dim, size) };
}

/** Parameters of one kind may lie in one flat tensor: optimizers and ranks treat them alike. */
export function kindOf({ decay, inside = false, onBothEnds = false, cut }: ParamSpec): string {
  const share = cut === null ? "whole" : cut.rule === "shared" ? `shared ${cut.units}` : "cut";
  return `${share} ${inside} ${onBothEnds} ${decay}`;
}

/** Throws a UserError that names the first parameter that cannot be shared out to `count` ranks. */
export function refuseCuts(spec: TreeOf<ParamSpec>, count: number): void {
  for (const [path, leaf] of leaves<ParamSpec>(spec)) windowOf(leaf, { index: 0, count }, path);
}

/** This rank's share of the parameters that `spec` describes. The caller owns them. */
export function materialize<P extends Tree>(
  spec: Like<P, ParamSpec>,
  seed: number,
  part: Part = WHOLE,
): P {
  return mapTree(spec, (leaf: ParamSpec, path): Tensor => {
    const window = windowOf(leaf, part, path);
    return initialize(leaf.init, window, seed, path);
  }) as unknown as P;
}

function initialize(init: Initializer, window: Window, seed: number, path: string): Tensor {
  switch (init.kind) {
    case "constant": {
      const size = window.size.reduce((a, b) => a * b, 1);
      return tensor(new Float32Array(size).fill(init.value), [...window.size]);
    }
    case "normal": {
      const draw = drawOf(window, streamKey(seed, path));
      return call(randomNormal, {}, { ...draw, mean: 0, deviation: init.deviation }).y;
    }
  }
}
