// Full parameters around each call of a layer, prefetched one layer ahead: PyTorch's FSDP.

import type { ProcessGroup } from "@tessera/collectives";
import { childContext, defineLayer, type AnyLayer, type Layer } from "@tessera/layers";
import type { LayerBody } from "@tessera/layers/placement";
import type { InputEmbedding, LayerWrapper, LmHead } from "@tessera/layers/parallel";
import { UNSHARDED, type ShardIndex } from "@tessera/mesh";
import { disposeTree, type Tree } from "@tessera/params";
import {
  gather,
  reduceScatterSink,
  withFullParams,
  type FsdpGroup,
  type PendingGather,
} from "./fsdp_params.js";

/** Wraps the layers of a model whose parameters are sharded by `fullyShard`, with the same `shard`. */
export function fsdpWrapper(group: ProcessGroup, shard: ShardIndex = UNSHARDED): LayerWrapper {
  const fsdp: FsdpGroup = { group, shard };
  return {
    layer: (layer) => shardLayer(layer, fsdp),
    stack: ((layers: Readonly<Record<string, AnyLayer>>) =>
      shardStack(layers, fsdp)) as unknown as LayerWrapper["stack"],
    embedding: (embedding) => shardEmbedding(embedding, fsdp),
    head: (head) => shardHead(head, fsdp),
  };
}

function shardLayer<P extends Tree, S extends Tree>(
  layer: Layer<P, S>,
  fsdp: FsdpGroup,
): Layer<P, S> {
  const withParams = <R>(shards: P, use: (params: P) => R) =>
    withFullParams(layer.spec, shards, fsdp, use);
  return defineLayer({
    spec: layer.spec,
    forward: (shards, x, ctx) => withParams(shards, (params) => layer.forward(params, x, ctx)),
    backward: (shards, saved, dy, sink, ctx) =>
      withParams(shards, (params) =>
        layer.backward(params, saved, dy, reduceScatterSink(sink, fsdp.group), ctx),
      ),
  });
}

type Branches = Readonly<Record<string, Tree>>;

/** `stack`, which gathers the next layer's parameters while a layer computes. */
function shardStack(
  layers: Readonly<Record<string, AnyLayer>>,
  fsdp: FsdpGroup,
): LayerBody<Branches, Branches> {
  const named = Object.entries(layers);
  /** Calls `use` for each layer in order, with its full parameters. */
  const forEachLayer = (
    order: readonly (readonly [string, AnyLayer])[],
    shards: Branches,
    use: (name: string, layer: AnyLayer, params: Tree) => void,
  ): void => {
    const start = (i: number): PendingGather<Tree> | null => {
      const [name, layer] = order[i] ?? [];
      return name === undefined ? null : gather(layer!.spec, shards[name]!, fsdp);
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
    forward(shards, x, ctx) {
      const saved: Record<string, Tree> = {};
      let h = x.clone();
      forEachLayer(named, shards, (name, layer, params) => {
        const [y, layerSaved] = layer.forward(params, h, childContext(ctx, name));
        h.dispose();
        h = y;
        saved[name] = layerSaved;
      });
      return [h, saved];
    },
    backward(shards, saved, dy, sink, ctx) {
      let dh = dy.clone();
      forEachLayer(named.toReversed(), shards, (name, layer, params) => {
        const reducing = reduceScatterSink<Tree>(sink[name]!, fsdp.group);
        const dx = layer.backward(params, saved[name]!, dh, reducing, childContext(ctx, name));
        dh.dispose();
        dh = dx;
      });
      return dh;
    },
  };
}

function shardEmbedding<P extends Tree, S extends Tree>(
  embedding: InputEmbedding<P, S>,
  fsdp: FsdpGroup,
): InputEmbedding<P, S> {
  const withParams = <R>(shards: P, use: (params: P) => R) =>
    withFullParams(embedding.spec, shards, fsdp, use);
  return {
    spec: embedding.spec,
    forward: (shards, ids, ctx) =>
      withParams(shards, (params) => embedding.forward(params, ids, ctx)),
    backward: (shards, saved, dy, sink, ctx) =>
      withParams(shards, (params) =>
        embedding.backward(params, saved, dy, reduceScatterSink<P>(sink, fsdp.group), ctx),
      ),
  };
}

function shardHead<P extends Tree>(head: LmHead<P>, fsdp: FsdpGroup): LmHead<P> {
  const withParams = <R>(shards: P, use: (params: P) => R): R =>
    withFullParams(head.spec, shards, fsdp, use);
  return {
    spec: head.spec,
    loss: (shards, x, targets) => withParams(shards, (params) => head.loss(params, x, targets)),
    lossAndGradient: (shards, x, targets, sink) =>
      withParams(shards, (params) =>
        head.lossAndGradient(params, x, targets, reduceScatterSink<P>(sink, fsdp.group)),
      ),
    logits: (shards, x) => withParams(shards, (params) => head.logits(params, x)),
  };
}
