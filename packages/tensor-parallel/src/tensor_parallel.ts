// Tensor parallelism (Shoeybi et al., 2019) shards linear layers and the vocabulary; sequence parallelism (Korthikanti
// et al., 2022) also shards the tokens outside of tensor-parallel regions.

import type { Tensor } from "@tensorflow/tfjs-core";
import type { ProcessGroup } from "@tessera/collectives";
import { defineLayer, type Layer } from "@tessera/layers";
import {
  type Outside,
  type WeightShard,
  defineRegion,
  type Region,
} from "@tessera/layers/placement";
import type { TensorParallel, InputEmbedding } from "@tessera/layers/parallel";
import { leaves, mapTensors, type Tree } from "@tessera/params";
import type { Placed } from "@tessera/params/placement";
import { shardedTokens, replicatedTokens, type RegionComm } from "./region_comm.js";
import { markTensorParallel } from "./mark_tensor_parallel.js";
import { deferWeightGradients } from "./defer_weight_gradients.js";
import { vocabParallelHead } from "./vocab_parallel_head.js";

/** Shards regions and the vocabulary over `group`; outside of regions, all ranks compute the same. */
export const tensorParallel = (group: ProcessGroup): TensorParallel =>
  createTensorParallel(group, replicatedTokens(group));

/** The same, and outside of regions each rank computes a shard of the tokens. The group size must divide the time. */
export const sequenceParallel = (group: ProcessGroup): TensorParallel =>
  createTensorParallel(group, shardedTokens(group));

function createTensorParallel(group: ProcessGroup, comm: RegionComm): TensorParallel {
  const shard: WeightShard = { index: group.rank, count: group.size };
  return {
    weightShard: shard,
    tokenShard: comm.tokenShard,
    wrap: (layer) => wrapLayer(layer, comm),
    wrapEmbedding: (embedding) => wrapEmbedding(embedding, comm),
    lmHead: (options) => vocabParallelHead(options, comm, group),
  };
}

/** What a region saves for backward; with this rank's shard of x if the layer saves x. */
type RegionSaved<S> = { readonly inside: S } & (
  { readonly x: Placed<Outside> } | Readonly<Record<never, never>>
);

/**
 * Replaces the leaves of `tree` that are `from` by `to`. Leaves are compared by identity, as in PyTorch's
 * `saved_tensors_hooks`, so that any layer can be wrapped. Consumes `tree`; borrows both tensors.
 */
function replaceTensor<T extends Tree>(tree: T, from: Tensor, to: Tensor): T {
  const isFrom = (leaf: Tensor): boolean =>
    leaf.dataId === from.dataId && leaf.shape.join() === from.shape.join();
  return mapTensors(tree, (leaf) => {
    if (!isFrom(leaf)) return leaf;
    leaf.dispose();
    return to.clone();
  });
}

const savesTensor = (tree: Tree, x: Tensor): boolean =>
  leaves<Tensor>(tree).some(([, leaf]) => leaf.dataId === x.dataId);

/**
 * Gathers x, runs `layer`, reduces its outputs. If `layer` saves the gathered x, this rank's shard is saved instead and
 * gathered again in backward. The reduction of dx overlaps with the last weight gradients.
 */
function wrapLayer<P extends Tree, S extends Tree>(
  layer: Layer<P, S, "replicated", "partial">,
  comm: RegionComm,
): Region<P> {
  const body: Layer<P, RegionSaved<S>> = defineLayer({
    spec: markTensorParallel<P>(layer.spec),
    forward(params, x, ctx) {
      const gathered = comm.gather(x).wait();
      const [y, saved] = layer.forward(params, gathered, ctx);
      const sum = comm.reduce(y);
      y.dispose();
      const inside = replaceTensor(saved, gathered, x);
      gathered.dispose();
      return [sum.wait(), savesTensor(inside, x) ? { x: x.clone(), inside } : { inside }];
    },
    backward(params, saved, dy, sink, ctx) {
      const gatheredDy = comm.gather(dy);
      const inside = "x" in saved ? regatherInput(saved, comm) : saved.inside;
      const fullDy = gatheredDy.wait();
      const deferred = deferWeightGradients(sink);
      const dx = layer.backward(params, inside, fullDy, deferred.sink, ctx);
      fullDy.dispose();
      const sum = comm.reduce(dx);
      dx.dispose();
      deferred.flush();
      return sum.wait();
    },
  });
  return defineRegion(body);
}

/** What `layer` saved, with the full x. Consumes `saved`. */
function regatherInput<S extends Tree>(
  saved: { readonly x: Placed<Outside>; readonly inside: S },
  comm: RegionComm,
): S {
  const gathered = comm.gather(saved.x).wait();
  const inside = replaceTensor(saved.inside, saved.x, gathered);
  saved.x.dispose();
  gathered.dispose();
  return inside;
}

/** Reduces the partial sums of each rank's rows of the vocabulary. */
const wrapEmbedding = <P extends Tree, S extends Tree>(
  embedding: InputEmbedding<P, S, "partial">,
  comm: RegionComm,
): InputEmbedding<P, S> => ({
  spec: markTensorParallel<P>(embedding.spec),
  forward(params, ids, ctx) {
    const [y, saved] = embedding.forward(params, ids, ctx);
    const sum = comm.reduce(y);
    y.dispose();
    return [sum.wait(), saved];
  },
  backward(params, saved, dy, sink, ctx) {
    const fullDy = comm.gather(dy).wait();
    embedding.backward(params, saved, fullDy, sink, ctx);
    fullDy.dispose();
  },
});
