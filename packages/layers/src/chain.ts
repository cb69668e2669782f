// Layers in a row, and layers in parallel.

import type { Tensor } from "@tensorflow/tfjs-core";
import type { ParamSpec, Tree, TreeOf } from "@tessera/params";
import type { Placement } from "@tessera/params/placement";
import { addAndDispose } from "./and_dispose.js";
import type { InOf, Meets, Misfit, Outside, OutOf } from "./flow.js";
import { childContext } from "./forward_context.js";
import {
  defineLayer,
  type AnyLayer,
  type Layer,
  type LayerBody,
  type ParamsOf,
  type SavedOf,
} from "./layer.js";

type Layers = Readonly<Record<string, AnyLayer>>;
type Branches = Readonly<Record<string, Tree>>;
type Body = LayerBody<Branches, Tree>;
type Entries<T> = readonly (readonly [name: string, value: T])[];

/** A layer outside of regions whose parameters are in one record with those of others. */
export type Segment = Layer<Branches, Tree>;

/** A layer that has the parameters of all `L`, under their names. */
export type LayerOf<
  L extends Layers,
  In extends Placement = Outside,
  Out extends Placement = In,
> = Layer<
  { readonly [K in keyof L]: ParamsOf<L[K]> },
  { readonly [K in keyof L]: SavedOf<L[K]> },
  In,
  Out
>;

/** A layer in a sequence, and the name of its parameters. */
type Named = readonly [name: string, layer: AnyLayer];
type Row = readonly [Named, ...Named[]];
type ByName<R extends Row> = { readonly [E in R[number] as E[0]]: E[1] };
type Last<R extends Row> = R extends readonly [...unknown[], infer E extends Named] ? E : R[0];

/** What runs the layers of `R` in order. */
export type SequenceOf<R extends Row> = LayerOf<ByName<R>, InOf<R[0][1]>, OutOf<Last<R>[1]>>;

/** `R`, in which each layer that does not fit the one before it, or has its name, is marked by what is wrong. */
type Checked<R extends Row> = {
  readonly [I in keyof R]: Follows<[never, ...R][I & keyof [never, ...R]], R[I]>;
};
type Follows<Before, E> = [Before] extends [never]
  ? E
  : Before extends Named
    ? E extends Named
      ? E &
          (E[0] extends Before[0]
            ? Misfit<`two layers are called ${E[0]}`>
            : Meets<OutOf<Before[1]>, InOf<E[1]>>)
      : E
    : E;

/** Runs the layers in the order written: `["name", layer]`. Their names become the names of their parameters. */
export const sequence = <const R extends Row>(...row: R & Checked<R>): SequenceOf<R> =>
  // The entries of `row` lose the types of their names; the records built from them have them again.
  chain(row.map(([name, layer]) => [name, nest(name, layer)])) as unknown as SequenceOf<R>;

/** Runs layers that lie outside of regions, such as a model's blocks, in the order written. */
export const stack = <const L extends Readonly<Record<string, Layer<Tree, Tree>>>>(
  layers: L,
): LayerOf<L> => chain(nestAll(layers)) as unknown as LayerOf<L>;

/** `L`, in which each layer whose ends are not those of the others is replaced by what is wrong. */
type Alike<L extends Layers> = {
  readonly [K in keyof L]: L[K] &
    ([InOf<L[keyof L]>, OutOf<L[keyof L]>] extends [InOf<L[K]>, OutOf<L[K]>]
      ? unknown
      : Misfit<"parallel layers take the same placement, and return the same">);
};

/** The sum of the layers' outputs for one x. Their names become the names of their parameters. */
export const parallel = <const L extends Layers>(
  layers: L & Alike<L>,
): LayerOf<L, InOf<L[keyof L]>, OutOf<L[keyof L]>> =>
  sumBranches(nestAll(layers)) as unknown as LayerOf<L, InOf<L[keyof L]>, OutOf<L[keyof L]>>;

/**
 * Runs segments in order. Their parameters are in one record; what each saves for backward is under its name.
 */
export const chainSegments = (segments: Entries<Segment>): Segment => defineLayer(chain(segments));

function chain(segments: Entries<Body>): LayerBody<Branches, Branches> {
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

function sumBranches(branches: Entries<Body>): LayerBody<Branches, Branches> {
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
const nest = (name: string, layer: AnyLayer): Body => ({
  spec: { [name]: layer.spec },
  forward: (params, x, ctx) => layer.forward(params[name]!, x, childContext(ctx, name)),
  backward: (params, saved, dy, sink, ctx) =>
    layer.backward(params[name]!, saved, dy, sink[name]!, childContext(ctx, name)),
});

const nestAll = (layers: Layers): Entries<Body> =>
  Object.entries(layers).map(([name, layer]) => [name, nest(name, layer)]);

const mergeSpecs = (segments: Entries<Body>): Readonly<Record<string, TreeOf<ParamSpec>>> =>
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
