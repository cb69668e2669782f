// Parameters before they exist: what each will be, and how a rank makes its own share of it.

import { tensor, type Tensor } from "@tensorflow/tfjs-core";
import { call, drawOf, randomNormal } from "@tessera/kernels";
import { span, WHOLE, type Part } from "@tessera/mesh";
import { streamKey, type Window } from "@tessera/random";
import { mapTree, type Like, type Tree } from "./tree.js";

/** How a parameter starts. The random one is a function of (seed, path, global index) alone. */
export type Initializer =
  | { readonly kind: "constant"; readonly value: number }
  | { readonly kind: "normal"; readonly deviation: number };

export interface ParamSpec {
  /** Of the whole parameter, over all ranks. */
  readonly shape: readonly number[];
  /** The dimension that tensor parallelism splits; null where every rank holds the whole. */
  readonly cut: number | null;
  readonly init: Initializer;
  /** Whether weight decay pulls it to zero: matrices yes, gains and biases no. */
  readonly decay: boolean;
}

export const constant = (value: number): Initializer => ({ kind: "constant", value });
export const normal = (deviation: number): Initializer => ({ kind: "normal", deviation });

/** A matrix: random, decayed. */
export const matrix = (
  shape: readonly number[],
  cut: number | null,
  deviation: number,
): ParamSpec => ({ shape, cut, init: normal(deviation), decay: true });

/** A gain or bias: starts at `value`, not decayed. */
export const vector = (shape: readonly number[], cut: number | null, value: number): ParamSpec => ({
  shape,
  cut,
  init: constant(value),
  decay: false,
});

/** The share of a parameter that `part` holds. Throws, naming it, where it does not divide. */
export function windowOf({ shape, cut }: ParamSpec, part: Part, path: string): Window {
  const start = shape.map(() => 0);
  const size = [...shape];
  if (cut !== null && part.count > 1) {
    const extent = shape[cut]!;
    if (extent % part.count !== 0) {
      throw new RangeError(
        `${path}: dimension ${cut} is ${extent}, which ${part.count} ranks cannot share evenly`,
      );
    }
    ({ start: start[cut], size: size[cut] } = span(extent, part));
  }
  return { whole: shape, start, size };
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
