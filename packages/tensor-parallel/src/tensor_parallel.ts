// Regions whose ranks share the products and the vocabulary (Shoeybi et al., 2019), and, in one of them,
// the tokens outside of the products too (Korthikanti et al., 2022).

import type { Tensor } from "@tensorflow/tfjs-core";
import type { ProcessGroup } from "@tessera/collectives";
import type { Layer } from "@tessera/layers";
import type { TensorParallel, InputEmbedding } from "@tessera/layers/parallel";
import { leaves, mapTensors, type Tree } from "@tessera/params";
import type { ShardIndex } from "@tessera/mesh";
import { shardedTokens, replicatedTokens, type RegionComm } from "./region_comm.js";
import { markTensorParallel } from "./mark_tensor_parallel.js";
import { deferWeightGradients } from "./defer_weight_gradients.js";
import { vocabParallelHead } from "./vocab_parallel_head.js";

/** Ranks share products and vocabulary. Outside, all of them compute the same. */
export const tensorParallel = (group: ProcessGroup): TensorParallel =>
  createTensorParallel(group, replicatedTokens(group));

/** The same, and outside each rank computes its part of the tokens: their number must divide. */
export const sequenceParallel = (group: ProcessGroup): TensorParallel =>
  createTensorParallel(group, shardedTokens(group));

function createTensorParallel(group: ProcessGroup, comm: RegionComm): TensorParallel {
  const shard: ShardIndex = { index: group.rank, count: group.size };
  return {
    weightShard: shard,
    tokenShard: comm.tokenShard,
    wrap: (layer) => wrapLayer(layer, comm),
    wrapEmbedding: (source) => wrapEmbedding(source, comm),
    lmHead: (options) => vocabParallelHead(options, comm, group),
  };
}

/** The record of a stretch; with what the rank holds of its x, if the layer keeps x. */
type RegionSaved<S> = { readonly inside: S } & (
  { readonly x: Tensor } | Readonly<Record<never, never>>
);

/** Where `tree` keeps `from`, it keeps `to` instead. Borrows both. */
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
 * Gathers x, calls `layer`, and sums its results. What `layer` keeps of the gathered x is gathered again
 * in backward instead. The gradient of x is summed while the last gradients of weights are computed.
 */
function wrapLayer<P extends Tree, S extends Tree>(
  layer: Layer<P, S>,
  comm: RegionComm,
): Layer<P, Tree> {
  const stretch: Layer<P, RegionSaved<S>> = {
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
      const whole = gatheredDy.wait();
      const held = deferWeightGradients(params, sink);
      const dx = layer.backward(params, inside, whole, held.sink, ctx);
      whole.dispose();
      const sum = comm.reduce(dx);
      dx.dispose();
      held.flush();
      return sum.wait();
    },
  };
  return stretch;
}

/** The record as `layer` made it. Uses up `saved`. */
function regatherInput<S extends Tree>(saved: { x: Tensor; inside: S }, comm: RegionComm): S {
  const gathered = comm.gather(saved.x).wait();
  const inside = replaceTensor(saved.inside, saved.x, gathered);
  saved.x.dispose();
  gathered.dispose();
  return inside;
}

/** Sums what `source` makes of each rank's rows of the vocabulary. */
const wrapEmbedding = <P extends Tree, S extends Tree>(
  source: InputEmbedding<P, S>,
  comm: RegionComm,
): InputEmbedding<P, S> => ({
  spec: markTensorParallel<P>(source.spec),
  forward(params, ids, ctx) {
    const [y, saved] = source.forward(params, ids, ctx);
    const sum = comm.reduce(y);
    y.dispose();
    return [sum.wait(), saved];
  },
  backward(params, saved, dy, sink, ctx) {
    const whole = comm.gather(dy).wait();
    source.backward(params, saved, whole, sink, ctx);
    whole.dispose();
  },
});
