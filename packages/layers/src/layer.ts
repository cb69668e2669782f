// A layer is a pair of functions that belong together: what it computes, and how the gradient flows back through it.
//
// Ownership, everywhere: you own what you are returned, you borrow what you are passed. `backward` frees `saved`, so
// each `saved` is used exactly once.

import { add, type Tensor } from "@tensorflow/tfjs-core";
import {
  disposeTree,
  type GradientSink,
  type Like,
  type ParamSpec,
  type Tree,
} from "@tessera/params";
import type { ForwardContext } from "./forward_context.js";

/** `P`: the parameters. `S`: what forward saves for backward. */
export interface Layer<P extends Tree, S extends Tree> {
  /** Parameter specs, keyed like the parameters. */
  readonly spec: Like<P, ParamSpec>;

  /** x [batch, time, in] -> y [batch, time, out], and what to save for `backward`. */
  forward(params: P, x: Tensor, ctx: ForwardContext): readonly [y: Tensor, saved: S];

  /** dy -> dx. Each parameter's gradient goes to `sink` as soon as it is known. Frees `saved`. */
  backward(params: P, saved: S, dy: Tensor, sink: GradientSink<P>, ctx: ForwardContext): Tensor;
}

/** The empty tree: of a layer without parameters, or one that saves nothing. */
export type NoParams = Readonly<Record<never, never>>;
/** A layer whose parameters are known at run time only. */
export type AnyLayer = Layer<Tree, Tree>;
/** The parameters of the layer type `L`. */
export type ParamsOf<L> = L extends Layer<infer P, infer _S> ? P : never;
/** What the layer type `L` saves for backward. */
export type SavedOf<L> = L extends Layer<infer _P, infer S> ? S : never;

/** Returns x unchanged. */
export const identity: Layer<NoParams, NoParams> = {
  spec: {},
  forward: (_params, x) => [x.clone(), {}],
  backward: (_params, _saved, dy) => dy.clone(),
};

/** x + layer(x). */
export const residual = <P extends Tree, S extends Tree>(layer: Layer<P, S>): Layer<P, S> => ({
  spec: layer.spec,
  forward(params, x, ctx) {
    const [h, saved] = layer.forward(params, x, ctx);
    const y = add(x, h);
    h.dispose();
    return [y, saved];
  },
  backward(params, saved, dy, sink, ctx) {
    const dh = layer.backward(params, saved, dy, sink, ctx);
    const dx = add(dy, dh);
    dh.dispose();
    return dx;
  },
});

/** Activation checkpointing: saves x alone, and runs `forward` again in backward. */
export const recompute = <P extends Tree, S extends Tree>(
  layer: Layer<P, S>,
): Layer<P, { readonly x: Tensor }> => ({
  spec: layer.spec,
  forward(params, x, ctx) {
    const [y, saved] = layer.forward(params, x, ctx);
    disposeTree(saved);
    return [y, { x: x.clone() }];
  },
  backward(params, { x }, dy, sink, ctx) {
    const [y, saved] = layer.forward(params, x, ctx);
    y.dispose();
    x.dispose();
    return layer.backward(params, saved, dy, sink, ctx);
  },
});
