// Layers in a row, and layers in parallel.

import type { Tensor } from "@tensorflow/tfjs-core";
import type { ParamSpec, Tree, TreeOf } from "@tessera/params";
import { addAndDispose } from "./and_dispose.js";
import { childContext } from "./forward_context.js";
import type { AnyLayer, Layer, ParamsOf, SavedOf } from "./layer.js";

type Layers = Readonly<Record<string, AnyLayer>>;
type Branches = Readonly<Record<string, Tree>>;
type SequenceParams<L extends Layers> = { readonly [K in keyof L]: ParamsOf<L[K]> };
type SequenceSaved<L extends Layers> = { readonly [K in keyof L]: SavedOf<L[K]> };

/** A layer that has the parameters of all `L`, under their names. */
export type SequenceOf<L extends Layers> = Layer<SequenceParams<L>, SequenceSaved<L>>;

/** A layer whose parameters are in one record with those of others. */
export type Segment = Layer<Branches, Tree>;
type Named<T> = readonly (readonly [name: string, value: T])[];

/** Runs the layers in the order written. Their names become the names of their parameters. */
export const sequence = <const L extends Layers>(layers: L): SequenceOf<L> =>
  // The entries of `layers` lose the types of their names; the records built from them have them again.
  chain(nestAll(layers)) as unknown as SequenceOf<L>;

/** The sum of the layers' outputs for one x. Their names become the names of their parameters. */
export const parallel = <const L extends Layers>(layers: L): SequenceOf<L> =>
  sumBranches(nestAll(layers)) as unknown as SequenceOf<L>;

/**
 * Runs segments in order. Their parameters are in one record; what each saves for backward is under its name.
 */
export function chain(segments: Named<Segment>): Layer<Branches, Branches> {
  const reversed = segments.toReversed();
  return {
    spec: mergeSpecs(segments),
    forward(params, x, ctx) {
      const saved: Record<string, Tree> = {};
      const y = passThrough(segments, x, ([name, segment], h) => {
        const [next, segmentSaved] = segment.forward(params, h, ctx);
        saved[name] = segmentSaved;
        return next;
      });
      return [y, saved];
    },
    backward: (params, saved, dy, sink, ctx) =>
      passThrough(reversed, dy, ([name, segment], dh) =>
        segment.backward(params, saved[name]!, dh, sink, ctx),
      ),
  };
}

function sumBranches(branches: Named<Segment>): Layer<Branches, Branches> {
  return {
    spec: mergeSpecs(branches),
    forward(params, x, ctx) {
      const saved: Record<string, Tree> = {};
      const outputs = branches.map(([name, branch]) => {
        const [y, branchSaved] = branch.forward(params, x, ctx);
        saved[name] = branchSaved;
        return y;
      });
      return [outputs.reduce(addAndDispose), saved];
    },
    backward: (params, saved, dy, sink, ctx) =>
      branches
        .map(([name, branch]) => branch.backward(params, saved[name]!, dy, sink, ctx))
        .reduce(addAndDispose),
  };
}

/** `layer` with its parameters under `name`. */
const nest = (name: string, layer: AnyLayer): Segment => ({
  spec: { [name]: layer.spec },
  forward: (params, x, ctx) => layer.forward(params[name]!, x, childContext(ctx, name)),
  backward: (params, saved, dy, sink, ctx) =>
    layer.backward(params[name]!, saved, dy, sink[name]!, childContext(ctx, name)),
});

const nestAll = (layers: Layers): Named<Segment> =>
  Object.entries(layers).map(([name, layer]) => [name, nest(name, layer)]);

const mergeSpecs = (segments: Named<Segment>): Readonly<Record<string, TreeOf<ParamSpec>>> =>
  Object.fromEntries(segments.flatMap(([, { spec }]) => Object.entries(spec)));

/** Applies each item to what the one before it returned, which is freed. Borrows x. */
function passThrough<T>(
  items: readonly T[],
  x: Tensor,
  apply: (item: T, h: Tensor) => Tensor,
): Tensor {
  let h = x.clone();
  for (const item of items) {
    const next = apply(item, h);
    h.dispose();
    h = next;
  }
  return h;
}
