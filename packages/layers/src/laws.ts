// What must be true of every layer, whatever it computes. A test passes each layer to `slopes`,
// `autodiff` and `leaked`, so that a new layer is one more row in its table.

import "@tensorflow/tfjs"; // registers the gradients that `autodiff` compares with
import {
  add,
  grads,
  memory,
  mul,
  randomNormal,
  sub,
  sum,
  tidy,
  type Tensor,
} from "@tensorflow/tfjs-core";
import { accumulate } from "@tessera/params";
import type { AnyLayer } from "./layer.js";
import { evalContext, type ForwardContext } from "./forward_context.js";
import { disposeTree, leaves, mapTensors, type Tree } from "@tessera/params";

const noise = (like: Tensor, seed: number): Tensor =>
  randomNormal(like.shape, 0, 1, "float32", seed);

const dot = (a: Tensor, b: Tensor): number => tidy(() => sum(mul(a, b)).dataSync()[0]!);

/** x and the parameters under one roof: what a layer's output depends on. */
type Point = { readonly x: Tensor; readonly params: Tree };

/** What `backward` says: a random dy, and the gradients of x and of each parameter, by path. */
function told(layer: AnyLayer, { x, params }: Point, ctx: ForwardContext) {
  const [y, saved] = layer.forward(params, x, ctx);
  const dy = noise(y, 7);
  y.dispose();
  const { sink, take } = accumulate(params);
  const dx = layer.backward(params, saved, dy, sink, ctx);
  const gradients = { x: dx, params: take() };
  return { dy, gradients, byPath: new Map(leaves<Tensor>(gradients)) };
}

export interface Slope {
  readonly path: string;
  /** Of forward, along a random direction, by two small steps. */
  readonly measured: number;
  /** By backward, along the same direction. */
  readonly told: number;
}

/** For x and each parameter, two numbers that must agree. */
export function slopes(layer: AnyLayer, params: Tree, x: Tensor, ctx = evalContext): Slope[] {
  const STEP = 1e-2;
  return tidy(() => {
    const here: Point = { x, params };
    const { dy, byPath } = told(layer, here, ctx);
    return leaves<Tensor>(here).map(([path, leaf]) => {
      const direction = noise(leaf, 11);
      const along = (distance: number): number => {
        const there = mapTensors(here, (other, name) =>
          name === path ? add(other, mul(direction, distance)) : other,
        );
        return dot(layer.forward(there.params, there.x, ctx)[0], dy);
      };
      const measured = (along(STEP) - along(-STEP)) / (2 * STEP);
      return { path, measured, told: dot(byPath.get(path)!, direction) };
    });
  });
}

/** For x and each parameter, how far backward is from tfjs's derivative of forward, relatively. */
export function autodiff(layer: AnyLayer, params: Tree, x: Tensor, ctx = evalContext) {
  return tidy(() => {
    const here: Point = { x, params };
    const { dy, byPath } = told(layer, here, ctx);
    const named = leaves<Tensor>(here);
    const derive = grads((...inputs) => {
      const there = new Map(named.map(([path], i) => [path, inputs[i]!]));
      const moved = mapTensors(here, (_leaf, path) => there.get(path)!);
      return layer.forward(moved.params, moved.x, ctx)[0];
    });
    const expected = derive(
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

/** Tensors left behind by one forward and one backward. Must be none. */
export function leaked(layer: AnyLayer, params: Tree, x: Tensor, ctx = evalContext): number {
  const before = memory().numTensors;
  const { dy, gradients } = told(layer, { x, params }, ctx);
  dy.dispose();
  disposeTree(gradients);
  return memory().numTensors - before;
}
