// ZeRO stage 3 (Rajbhandari et al., 2020; PyTorch's FSDP): a rank keeps a piece of each parameter. The
// others' are gathered around the calls of the layer that needs them, one layer ahead.

import { reshape, slice, tidy, zerosLike, type Tensor } from "@tensorflow/tfjs-core";
import type { ProcessGroup, Work } from "@tessera/collectives";
import { childContext, type AnyLayer, type Layer } from "@tessera/layers";
import type { LayerWrapper } from "@tessera/layers/parallel";
import {
  accumulateGradient,
  resolveGradient,
  clipRange,
  disposeTree,
  shardLayout,
  leafAt,
  leaves,
  mapTensors,
  mapTree,
  shardSlice,
  type Gradient,
  type DeferredGradient,
  type Like,
  type ParamSpec,
  type GradientSink,
  type Tree,
  type TreeOf,
} from "@tessera/params";
import { UNSHARDED, type ShardIndex } from "@tessera/mesh";
import { createSink } from "./bucket_reducer.js";
import { flattenPadded, takeShard } from "./flat_buffer.js";
import { sumSquares } from "./sum_squares.js";
import { dataAxis, type DataParallel } from "./data_parallel.js";
import { createPendingReductions } from "./pending_reductions.js";

const sizeOf = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);

/** Among whom parameters are shared out in pieces, and what all of them have of split ones. */
interface Shards {
  readonly group: ProcessGroup;
  readonly shard: ShardIndex;
}

/** Pieces under way to whole parameters. */
interface PendingGather<P extends Tree> {
  wait(): P;
}

function gather<P extends Tree>(
  spec: Like<P, ParamSpec>,
  pieces: P,
  { group, shard }: Shards,
): PendingGather<P> {
  const works = new Map<string, Work>();
  for (const [path, piece] of leaves<Tensor>(pieces)) works.set(path, group.allGather(piece, 0));
  const shapes = new Map(leaves<ParamSpec>(spec));
  return {
    wait: () =>
      mapTensors(pieces, (_piece, path) => {
        const flat = works.get(path)!.wait();
        const shape = shardSlice(shapes.get(path)!, shard, path).size;
        const size = sizeOf(shape);
        const whole = tidy(() =>
          reshape(size === flat.size ? flat : slice(flat, [0], [size]), [...shape]),
        );
        flat.dispose();
        return whole;
      }),
  };
}

/** A gradient that other ranks are still adding to. */
interface ArrivingGradient extends DeferredGradient {
  readonly work: Work;
}

/** What a gradient arrives by; one that is there has arrived. */
const workOf = (gradient: Gradient): Work =>
  "work" in gradient
    ? (gradient as ArrivingGradient).work
    : { done: true, wait: () => resolveGradient(gradient) };

/** Sends each gradient, as a piece of the sum over ranks that is yet to arrive, to `sink`. */
function reduceScatterSink<P extends Tree>(
  params: P,
  sink: GradientSink<P>,
  group: ProcessGroup,
): GradientSink<P> {
  return createSink(params, (path, gradient) => {
    const made = resolveGradient(gradient);
    const flat = flattenPadded(made, group.size);
    made.dispose();
    const work = group.reduceScatter(flat, 0);
    flat.dispose();
    const arriving: ArrivingGradient = {
      work,
      compute: () => work.wait(),
      accumulateInto: (sum) => accumulateGradient(sum, work.wait()),
    };
    leafAt<(gradient: Gradient) => void>(sink, path)!(arriving);
  });
}

/** Calls `use` with the whole parameters, which are there for that long. */
function withFullParams<P extends Tree, R>(gathering: PendingGather<P>, use: (params: P) => R): R {
  const params = gathering.wait();
  const result = use(params);
  disposeTree(params);
  return result;
}

function shardLayer<P extends Tree, S extends Tree>(
  layer: Layer<P, S>,
  holders: Shards,
): Layer<P, S> {
  const whole = <R>(pieces: P, use: (params: P) => R) =>
    withFullParams(gather(layer.spec, pieces, holders), use);
  return {
    spec: layer.spec,
    forward: (pieces, x, ctx) => whole(pieces, (params) => layer.forward(params, x, ctx)),
    backward: (pieces, saved, dy, sink, ctx) =>
      whole(pieces, (params) =>
        layer.backward(params, saved, dy, reduceScatterSink(params, sink, holders.group), ctx),
      ),
  };
}

type Branches = Readonly<Record<string, Tree>>;

/** `sequence`, with the next layer's parameters on their way while one computes. */
function shardSequence(
  layers: Readonly<Record<string, AnyLayer>>,
  holders: Shards,
): Layer<Branches, Branches> {
  const named = Object.entries(layers);
  /** Calls `use` for each layer in order, its parameters whole. */
  const each = (
    order: readonly (readonly [string, AnyLayer])[],
    pieces: Branches,
    use: (name: string, layer: AnyLayer, params: Tree) => void,
  ): void => {
    const start = (i: number): PendingGather<Tree> | null => {
      const [name, layer] = order[i] ?? [];
      return name === undefined ? null : gather(layer!.spec, pieces[name]!, holders);
    };
    let next = start(0);
    order.forEach(([name, layer], i) => {
      const params = next!.wait();
      next = start(i + 1);
      use(name, layer, params);
      disposeTree(params);
    });
  };
  return {
    spec: Object.fromEntries(named.map(([name, { spec }]) => [name, spec])),
    forward(pieces, x, ctx) {
      const saved: Record<string, Tree> = {};
      let h = x.clone();
      each(named, pieces, (name, layer, params) => {
        const [y, kept] = layer.forward(params, h, childContext(ctx, name));
        h.dispose();
        h = y;
        saved[name] = kept;
      });
      return [h, saved];
    },
    backward(pieces, saved, dy, sink, ctx) {
      let dh = dy.clone();
      each(named.toReversed(), pieces, (name, layer, params) => {
        const into = reduceScatterSink(params, sink[name]!, holders.group);
        const dx = layer.backward(params, saved[name]!, dh, into, childContext(ctx, name));
        dh.dispose();
        dh = dx;
      });
      return dh;
    },
  };
}

/** What is put around the parts of a model whose parameters are `fullyShard`'s pieces. */
export const fsdpWrapper = (group: ProcessGroup, shard = UNSHARDED): LayerWrapper =>
  wrapShards({ group, shard });

const wrapShards = (holders: Shards): LayerWrapper => ({
  layer: (layer) => shardLayer(layer, holders),
  sequence: ((layers: Readonly<Record<string, AnyLayer>>) =>
    shardSequence(layers, holders)) as unknown as LayerWrapper["sequence"],
  embedding: (source) => ({
    spec: source.spec,
    forward: (pieces, ids, ctx) =>
      withFullParams(gather(source.spec, pieces, holders), (params) =>
        source.forward(params, ids, ctx),
      ),
    backward: (pieces, saved, dy, sink, ctx) =>
      withFullParams(gather(source.spec, pieces, holders), (params) =>
        source.backward(params, saved, dy, reduceScatterSink(params, sink, holders.group), ctx),
      ),
  }),
  head(head) {
    const whole = <R>(
      pieces: Parameters<typeof head.loss>[0],
      use: (params: typeof pieces) => R,
    ): R => withFullParams(gather(head.spec, pieces, holders), use);
    return {
      spec: head.spec,
      loss: (pieces, x, targets) => whole(pieces, (params) => head.loss(params, x, targets)),
      lossAndGradient: (pieces, x, targets, sink) =>
        whole(pieces, (params) =>
          head.lossAndGradient(params, x, targets, reduceScatterSink(params, sink, holders.group)),
        ),
      logits: (pieces, x) => whole(pieces, (params) => head.logits(params, x)),
    };
  },
});

/**
 * Everything in pieces: weights, gradients, moments. The model is made with `shardAll(group, part)`, of
 * the same part: what the ranks of `group` hold of parameters that tensor parallelism splits.
 */
export function fullyShard<P extends Tree>(
  spec: Like<P, ParamSpec>,
  group: ProcessGroup,
  shard: ShardIndex = UNSHARDED,
): DataParallel<P> {
  const holders: Shards = { group, shard };
  return {
    ...dataAxis(group),
    shardsGradients: true,
    layouts: mapTree(spec as TreeOf<ParamSpec>, (leaf: ParamSpec, path) => {
      const [whole] = shardLayout(leaf, shard, path).ranges;
      const each = Math.ceil(whole!.size / group.size);
      return { shape: [each], ranges: clipRange(whole!, group.rank, each) };
    }),
    replica: () => UNSHARDED,
    createReducer(held) {
      const sums = createPendingReductions();
      return {
        sink() {
          sums.wait();
          return createSink(held, (path, gradient) => sums.add(path, workOf(gradient)));
        },
        finish() {
          const taken = sums.take();
          return mapTensors(held, (piece, path) => taken.get(path) ?? zerosLike(piece));
        },
      };
    },
    sumOfSquares: (gradients, share) => sumSquares(group, gradients, share),
    shardParams: (whole) =>
      mapTensors(whole, (leaf) => {
        const piece = tidy(() =>
          takeShard(flattenPadded(leaf, group.size), group.rank, group.size),
        );
        leaf.dispose();
        return piece;
      }),
    toOptimizer: (held) => held,
    fromOptimizer: (owned) => owned as P,
    gatherParams: (held) => gather(spec, held, holders).wait(),
    gatherFromOptimizer: (owned) => gather<Tree>(spec, owned, holders).wait(),
  };
}
