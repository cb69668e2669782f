// Whether a layer is across ranks what its type says: the layers of all ranks, one after the other, against one that
// is not sharded. For layers that do not communicate; regions are compared in tests of whole models.

import { abs, addN, concat, max, mul, slice, sub, tidy, type Tensor } from "@tensorflow/tfjs-core";
import { UNSHARDED, type ShardIndex } from "@tessera/mesh";
import { accumulate, leafAt, leaves, type ParamSpec, type Tree } from "@tessera/params";
import type { Placement } from "@tessera/params/placement";
import type { ForwardContext } from "./forward_context.js";
import type { Layer, LayerBody } from "./layer.js";
import { sampleLike, sampleParameters } from "./sample.js";

/** A layer, and what its type says of x and y: one of the placements, where it says that either will do. */
export interface PlacedLayer<
  P extends Tree,
  S extends Tree,
  In extends Placement,
  Out extends Placement,
> {
  /** The layer of the rank with that shard. */
  readonly layerOf: (shard: ShardIndex<never>) => Layer<P, S, In, Out>;
  readonly in: NoInfer<In>;
  readonly out: NoInfer<Out>;
  /** x [batch, time, width] of one rank alone. */
  readonly x: Tensor;
  readonly ctx: ForwardContext;
  /** How many fused parts, each of them sharded, the last dimensions of x and y have. Default: 1. */
  readonly parts?: { readonly x?: number; readonly y?: number };
}

const RANKS = 2;
/** A relative difference of more than this is no rounding. */
const TOLERANCE = 1e-5;

/** How a tensor is divided over ranks. */
interface Division {
  readonly placement: Placement;
  /** The dimension that is sharded. */
  readonly dim: number;
  /** Parts of it, each of which is sharded. */
  readonly parts: number;
}

/** What is not as the layer's type says, in words. Empty where all of it is. */
export function checkPlacement<
  P extends Tree,
  S extends Tree,
  In extends Placement,
  Out extends Placement,
>(placed: PlacedLayer<P, S, In, Out>): readonly string[] {
  const { x, ctx } = placed;
  const layerOf = (shard: ShardIndex<never>): LayerBody<P, S> => placed.layerOf(shard);
  const at = {
    x: divisionOf(placed.in, placed.parts?.x),
    y: divisionOf(placed.out, placed.parts?.y),
  };
  return tidy(() => {
    const alone = layerOf(UNSHARDED);
    const dy = sampleLike(alone.forward(sampleParameters(alone.spec) as P, x, ctx)[0], 7);
    const expected = run(alone, { x, dy }, ctx, UNSHARDED);
    const runs = Array.from({ length: RANKS }, (_, index) => {
      const shard = { index, count: RANKS };
      const own = { x: divide(x, at.x, index), dy: divide(dy, dual(at.y), index) };
      return run(layerOf(shard), own, ctx, shard);
    });
    const found = [
      differenceIn(
        "y",
        at.y,
        runs.map(({ y }) => y),
        expected.y,
      ),
      differenceIn(
        "dx",
        dual(at.x),
        runs.map(({ dx }) => dx),
        expected.dx,
      ),
      ...leaves<ParamSpec>(alone.spec).map(([path, spec]) => {
        const own = runs.map(({ gradients }) => leafAt<Tensor>(gradients, path)!);
        const whole = leafAt<Tensor>(expected.gradients, path)!;
        return differenceIn(`the gradient of ${path}`, ofGradient(spec, placed.in), own, whole);
      }),
    ];
    return found.filter((one) => one !== null);
  });
}

function run<P extends Tree, S extends Tree>(
  layer: LayerBody<P, S>,
  { x, dy }: { readonly x: Tensor; readonly dy: Tensor },
  ctx: ForwardContext,
  shard: ShardIndex,
) {
  const params = sampleParameters(layer.spec, shard) as P;
  const [y, saved] = layer.forward(params, x, ctx);
  const { sink, take } = accumulate(params);
  const dx = layer.backward(params, saved, dy, sink, ctx);
  return { y, dx, gradients: take() };
}

/** Tokens are the second dimension of activations, and features their last. */
const divisionOf = (placement: Placement, parts = 1): Division => ({
  placement,
  dim: placement === "sharded:tokens" ? 1 : 2,
  parts,
});

const DUALS: Partial<Record<Placement, Placement>> = {
  replicated: "partial",
  partial: "replicated",
};
const dual = (division: Division): Division => ({
  ...division,
  placement: DUALS[division.placement] ?? division.placement,
});

/** Ranks have shards of a partitioned parameter's gradient; else terms of it, unless all compute the same. */
const ofGradient = ({ partition }: ParamSpec, input: Placement): Division => ({
  placement: partition !== null ? "sharded:units" : input === "invariant" ? "invariant" : "partial",
  dim: partition?.dim ?? 0,
  parts: 1,
});

/** What rank `index` has of x. Terms of a sum are unequal parts of it. */
function divide(x: Tensor, { placement, dim, parts }: Division, index: number): Tensor {
  if (placement === "partial") return mul(x, index === 0 ? 0.25 : 0.75 / (RANKS - 1));
  if (!placement.startsWith("sharded")) return x.clone();
  const size = x.shape[dim]! / parts / RANKS;
  const pieces = Array.from({ length: parts }, (_, part) => {
    const start = x.shape.map((_extent, d) => (d === dim ? (part * RANKS + index) * size : 0));
    return slice(
      x,
      start,
      x.shape.map((extent, d) => (d === dim ? size : extent)),
    );
  });
  return concat(pieces, dim);
}

/** How what the ranks have differs from `whole`, where it is divided so; null where it does not. */
function differenceIn(
  name: string,
  division: Division,
  own: readonly Tensor[],
  whole: Tensor,
): string | null {
  const { placement } = division;
  const pairs: readonly (readonly [Tensor, Tensor])[] =
    placement === "partial"
      ? [[addN([...own]), whole]]
      : own.map((one, index) => [one, divide(whole, division, index)]);
  const errors = pairs.map(([found, expected]) => relativeError(found, expected));
  const worst = Math.max(...errors);
  if (worst < TOLERANCE) return null;
  return `${name} is not ${placement}: ${placement === "partial" ? "the sum is" : "ranks are"} off by ${worst.toPrecision(2)} of the largest value`;
}

function relativeError(found: Tensor, expected: Tensor): number {
  if (found.shape.join() !== expected.shape.join()) return Infinity;
  const [error, scale] = [sub(found, expected), expected].map((x) => max(abs(x)).dataSync()[0]!);
  return scale === 0 ? error! : error! / scale!;
}
