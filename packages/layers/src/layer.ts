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
import type { GradientOf, Placed, Placement, Unplaced } from "@tessera/params/placement";
import type { ForwardContext } from "./forward_context.js";
import type { Flow, flow, Outside, SameEnds } from "./flow.js";

/** What a layer computes. `P`: the parameters. `S`: what forward saves for backward. */
export interface LayerBody<P extends Tree, S extends Tree> {
  /** Parameter specs, keyed like the parameters. */
  readonly spec: Like<P, ParamSpec>;

  /** x [batch, time, in] -> y [batch, time, out], and what to save for `backward`. */
  forward(params: P, x: Tensor, ctx: ForwardContext): readonly [y: Tensor, saved: S];

  /** dy -> dx. Each parameter's gradient goes to `sink` as soon as it is known. Frees `saved`. */
  backward(params: P, saved: S, dy: Tensor, sink: GradientSink<P>, ctx: ForwardContext): Tensor;
}

/** What a layer computes, and the placements of x and y over tensor-parallel ranks: `In` and `Out`. */
export interface Layer<
  P extends Tree,
  S extends Tree,
  In extends Placement = Outside,
  Out extends Placement = In,
> extends LayerBody<P, S> {
  readonly [flow]: (x: In) => Out;
  forward(params: P, x: Placed<In>, ctx: ForwardContext): readonly [y: Placed<Out>, saved: S];
  backward(
    params: P,
    saved: S,
    dy: Placed<GradientOf<Out>>,
    sink: GradientSink<P>,
    ctx: ForwardContext,
  ): Placed<GradientOf<In>>;
}

/** A body that is given what is placed, and returns plain tensors, or what is placed as its layer says. */
interface BodyOf<P extends Tree, S extends Tree, In extends Placement, Out extends Placement> {
  readonly spec: Like<P, ParamSpec>;
  forward(params: P, x: Placed<In>, ctx: ForwardContext): readonly [y: Unplaced<Out>, saved: S];
  backward(
    params: P,
    saved: S,
    dy: Placed<GradientOf<Out>>,
    sink: GradientSink<P>,
    ctx: ForwardContext,
  ): Unplaced<GradientOf<In>>;
}

/**
 * The layer with this body. Its placements are those of the type that is asked for: what the body's author says, which
 * `checkPlacement` of `@tessera/layers/laws` verifies.
 */
export const defineLayer = <
  P extends Tree,
  S extends Tree,
  In extends Placement = Outside,
  Out extends Placement = In,
>(
  body: NoInfer<BodyOf<P, S, In, Out>>,
): Layer<P, S, In, Out> => body as Layer<P, S, In, Out>;

/** The empty tree: of a layer without parameters, or one that saves nothing. */
export type NoParams = Readonly<Record<never, never>>;
/** A layer whose parameters and placements are known at run time only. */
export interface AnyLayer extends LayerBody<Tree, Tree>, Flow {}
/** The parameters of the layer type `L`. */
export type ParamsOf<L> = L extends LayerBody<infer P, infer _S> ? P : never;
/** What the layer type `L` saves for backward. */
export type SavedOf<L> = L extends LayerBody<infer _P, infer S> ? S : never;

/** Returns x unchanged. */
export const identity: Layer<NoParams, NoParams> = defineLayer({
  spec: {},
  forward: (_params, x) => [x.clone(), {}],
  backward: (_params, _saved, dy) => dy.clone(),
});

/** x + layer(x). */
export const residual = <
  P extends Tree,
  S extends Tree,
  In extends Placement,
  Out extends Placement,
>(
  layer: Layer<P, S, In, Out> & SameEnds<In, Out>,
): Layer<P, S, In, Out> =>
  defineLayer({
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
export const recompute = <
  P extends Tree,
  S extends Tree,
  In extends Placement,
  Out extends Placement,
>(
  layer: Layer<P, S, In, Out>,
): Layer<P, { readonly x: Placed<In> }, In, Out> =>
  defineLayer({
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
