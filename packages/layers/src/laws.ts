// What must hold for every layer, whatever it computes. A test passes each layer to these functions, so that a new
// layer is one more row in its table.

import "./register_gradients.js";
import { add, grads, memory, mul, sub, sum, tidy, type Tensor } from "@tensorflow/tfjs-core";
import { accumulate, disposeTree, leaves, mapTensors, type Tree } from "@tessera/params";
import { evalContext, type ForwardContext } from "./forward_context.js";
import type { AnyLayer } from "./layer.js";
import { sampleLike } from "./sample.js";

export { checkPlacement, type PlacedLayer } from "./check_placement.js";

/** Step of the central differences, in standard deviations of the direction. */
const STEP = 1e-2;

const dot = (a: Tensor, b: Tensor): number => tidy(() => sum(mul(a, b)).dataSync()[0]!);

/** All that a layer's output depends on, as one tree. */
type Inputs = { readonly x: Tensor; readonly params: Tree };

/** Runs forward, and backward from a random dy. */
function runBackward(layer: AnyLayer, { x, params }: Inputs, ctx: ForwardContext) {
  const [y, saved] = layer.forward(params, x, ctx);
  const dy = sampleLike(y, 7);
  y.dispose();
  const { sink, take } = accumulate(params);
  const dx = layer.backward(params, saved, dy, sink, ctx);
  const gradients: Inputs = { x: dx, params: take() };
  return { dy, gradients, byPath: new Map(leaves<Tensor>(gradients)) };
}

/** The derivative of a layer's output along a random direction of one input. */
export interface Slope {
  /** "x", or the path of a parameter below "params". */
  readonly path: string;
  /** From forward, by central differences. */
  readonly numerical: number;
  /** From backward. */
  readonly analytic: number;
}

/** The slopes for x and for each parameter. The two of each must agree. */
export function compareSlopes(
  layer: AnyLayer,
  params: Tree,
  x: Tensor,
  ctx = evalContext,
): Slope[] {
  return tidy(() => {
    const inputs: Inputs = { x, params };
    const { dy, byPath } = runBackward(layer, inputs, ctx);
    return leaves<Tensor>(inputs).map(([path, leaf]) => {
      const direction = sampleLike(leaf, 11);
      const forwardAt = (distance: number): number => {
        const moved = mapTensors(inputs, (other, name) =>
          name === path ? add(other, mul(direction, distance)) : other,
        );
        return dot(layer.forward(moved.params, moved.x, ctx)[0], dy);
      };
      const numerical = (forwardAt(STEP) - forwardAt(-STEP)) / (2 * STEP);
      return { path, numerical, analytic: dot(byPath.get(path)!, direction) };
    });
  });
}

/** Relative error of backward against tfjs's derivative of forward, for x and for each parameter. */
export function compareWithAutodiff(layer: AnyLayer, params: Tree, x: Tensor, ctx = evalContext) {
  return tidy(() => {
    const inputs: Inputs = { x, params };
    const { dy, byPath } = runBackward(layer, inputs, ctx);
    const named = leaves<Tensor>(inputs);
    const computeGradients = grads((...values) => {
      const valueAt = new Map(named.map(([path], i) => [path, values[i]!]));
      const replaced = mapTensors(inputs, (_leaf, path) => valueAt.get(path)!);
      return layer.forward(replaced.params, replaced.x, ctx)[0];
    });
    const expected = computeGradients(
      named.map(([, leaf]) => leaf),
      dy,
    );
    return named.map(([path], i) => {
      const difference = sub(byPath.get(path)!, expected[i]!);
      const scale = dot(expected[i]!, expected[i]!);
      return { path, error: Math.sqrt(dot(difference, difference) / (scale || 1)) };
    });
  });
}

/** How many tensors one forward and one backward leak. Must be 0. */
export function countLeaks(layer: AnyLayer, params: Tree, x: Tensor, ctx = evalContext): number {
  const before = memory().numTensors;
  const { dy, gradients } = runBackward(layer, { x, params }, ctx);
  dy.dispose();
  disposeTree(gradients);
  return memory().numTensors - before;
}
