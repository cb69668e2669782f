// A layer is a pair of functions that belong together: what it computes, and how the gradient
// flows back through it.
//
// Ownership, everywhere: you own what you are returned, you borrow what you are passed. `backward`
// frees `saved`, so each `saved` is used exactly once.

import { add, type Tensor } from "@tensorflow/tfjs-core";
import { addAndDispose } from "./and_dispose.js";
import type { ParamSpec } from "@tessera/params";
import type { ForwardContext } from "./forward_context.js";
import { childContext } from "./forward_context.js";
import { disposeTree, type Like, type GradientSink, type Tree } from "@tessera/params";

/** `P`: its parameters. `S`: what backward needs from forward. */
export interface Layer<P extends Tree, S extends Tree> {
  /** What the parameters are before they exist. */
  readonly spec: Like<P, ParamSpec>;

  /** x [batch, time, in] -> y [batch, time, out], and what `backward` will need. */
  forward(params: P, x: Tensor, ctx: ForwardContext): readonly [y: Tensor, saved: S];

  /** dy -> dx. Each parameter's gradient goes to `sink` as soon as it is known. Frees `saved`. */
  backward(params: P, saved: S, dy: Tensor, sink: GradientSink<P>, ctx: ForwardContext): Tensor;
}

export type NoParams = Readonly<Record<never, never>>;
export type AnyLayer = Layer<Tree, Tree>;
export type ParamsOf<L> = L extends Layer<infer P, infer _S> ? P : never;
export type SavedOf<L> = L extends Layer<infer _P, infer S> ? S : never;

/** Passes x through unchanged. */
export const identity: Layer<NoParams, NoParams> = {
  spec: {},
  forward: (_params, x) => [x.clone(), {}],
  backward: (_params, _saved, dy) => dy.clone(),
};

type Branches = Readonly<Record<string, Tree>>;
type Layers = Readonly<Record<string, AnyLayer>>;
type SequenceParams<L extends Layers> = { readonly [K in keyof L]: ParamsOf<L[K]> };
type SequenceSaved<L extends Layers> = { readonly [K in keyof L]: SavedOf<L[K]> };

export type SequenceOf<L extends Layers> = Layer<SequenceParams<L>, SequenceSaved<L>>;

/** Runs the layers in the order written. Their names become the names of their parameters. */
export function sequence<const L extends Layers>(layers: L): SequenceOf<L> {
  const chain = chainLayers(Object.entries(layers));
  // The entries of `layers` lose their names' types; the records built from them have them again.
  return chain as unknown as SequenceOf<L>;
}

function chainLayers(layers: readonly (readonly [name: string, layer: AnyLayer])[]) {
  const backwards = layers.toReversed();
  const chain: Layer<Branches, Branches> = {
    spec: Object.fromEntries(layers.map(([name, { spec }]) => [name, spec])),
    forward(params, x, ctx) {
      const saved: Record<string, Tree> = {};
      let h = x.clone();
      for (const [name, layer] of layers) {
        const [next, kept] = layer.forward(params[name]!, h, childContext(ctx, name));
        h.dispose();
        h = next;
        saved[name] = kept;
      }
      return [h, saved];
    },
    backward(params, saved, dy, sink, ctx) {
      let dh = dy.clone();
      for (const [name, layer] of backwards) {
        const next = layer.backward(
          params[name]!,
          saved[name]!,
          dh,
          sink[name]!,
          childContext(ctx, name),
        );
        dh.dispose();
        dh = next;
      }
      return dh;
    },
  };
  return chain;
}

/** The sum of what each layer makes of the same x. Their names become the names of their parameters. */
export function parallel<const L extends Layers>(layers: L): SequenceOf<L> {
  const named = Object.entries(layers);
  const sum: Layer<Branches, Branches> = {
    spec: Object.fromEntries(named.map(([name, { spec }]) => [name, spec])),
    forward(params, x, ctx) {
      const saved: Record<string, Tree> = {};
      const parts = named.map(([name, layer]) => {
        const [y, kept] = layer.forward(params[name]!, x, childContext(ctx, name));
        saved[name] = kept;
        return y;
      });
      return [parts.reduce(addAndDispose), saved];
    },
    backward: (params, saved, dy, sink, ctx) =>
      named
        .map(([name, layer]) =>
          layer.backward(params[name]!, saved[name]!, dy, sink[name]!, childContext(ctx, name)),
        )
        .reduce(addAndDispose),
  };
  return sum as unknown as SequenceOf<L>;
}

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

/** Trades time for memory: keeps only x, and runs `forward` again when the gradient arrives. */
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
