// Regions whose ranks share the products and the vocabulary (Shoeybi et al., 2019), and, in one of them,
// the tokens outside of the products too (Korthikanti et al., 2022).

import type { Tensor } from "@tensorflow/tfjs-core";
import type { ProcessGroup } from "@tessera/collectives";
import {
  leaves,
  mapTensors,
  type Layer,
  type Region,
  type InputEmbedding,
  type Tree,
} from "@tessera/layers";
import type { ShardIndex } from "@tessera/mesh";
import { sharedTokens, wholeTokens, type Border } from "./border.js";
import { insideSpec } from "./inside_spec.js";
import { deferWeightGradients } from "./defer_weight_gradients.js";
import { sharedVocabularyHead } from "./vocabulary_head.js";

/** Ranks share products and vocabulary. Outside, all of them compute the same. */
export const split = (group: ProcessGroup): Region => regionOf(group, wholeTokens(group));

/** The same, and outside each rank computes its part of the tokens: their number must divide. */
export const splitTokens = (group: ProcessGroup): Region => regionOf(group, sharedTokens(group));

function regionOf(group: ProcessGroup, border: Border): Region {
  const shard: ShardIndex = { index: group.rank, count: group.size };
  return {
    inside: shard,
    outside: border.outside,
    across: (layer) => acrossBorder(layer, border),
    source: (source) => sourceBehind(source, border),
    head: (options) => sharedVocabularyHead(options, border, group),
  };
}

/** The record of a stretch; with what the rank holds of its x, if the layer keeps x. */
type Kept<S> = { readonly inside: S } & ({ readonly x: Tensor } | Readonly<Record<never, never>>);

/** Where `tree` keeps `from`, it keeps `to` instead. Borrows both. */
function replaced<T extends Tree>(tree: T, from: Tensor, to: Tensor): T {
  const isFrom = (leaf: Tensor): boolean =>
    leaf.dataId === from.dataId && leaf.shape.join() === from.shape.join();
  return mapTensors(tree, (leaf) => {
    if (!isFrom(leaf)) return leaf;
    leaf.dispose();
    return to.clone();
  });
}

const keeps = (tree: Tree, x: Tensor): boolean =>
  leaves<Tensor>(tree).some(([, leaf]) => leaf.dataId === x.dataId);

/**
 * Gathers x, calls `layer`, and sums its results. What `layer` keeps of the gathered x is gathered again
 * in backward instead. The gradient of x is summed while the last gradients of weights are computed.
 */
function acrossBorder<P extends Tree, S extends Tree>(
  layer: Layer<P, S>,
  border: Border,
): Layer<P, Tree> {
  const stretch: Layer<P, Kept<S>> = {
    spec: insideSpec<P>(layer.spec),
    forward(params, x, ctx) {
      const gathered = border.gather(x).wait();
      const [y, saved] = layer.forward(params, gathered, ctx);
      const sum = border.sum(y);
      y.dispose();
      const inside = replaced(saved, gathered, x);
      gathered.dispose();
      return [sum.wait(), keeps(inside, x) ? { x: x.clone(), inside } : { inside }];
    },
    backward(params, saved, dy, sink, ctx) {
      const gatheredDy = border.gather(dy);
      const inside = "x" in saved ? regained(saved, border) : saved.inside;
      const whole = gatheredDy.wait();
      const held = deferWeightGradients(params, sink);
      const dx = layer.backward(params, inside, whole, held.sink, ctx);
      whole.dispose();
      const sum = border.sum(dx);
      dx.dispose();
      held.flush();
      return sum.wait();
    },
  };
  return stretch;
}

/** The record as `layer` made it. Uses up `saved`. */
function regained<S extends Tree>(saved: { x: Tensor; inside: S }, border: Border): S {
  const gathered = border.gather(saved.x).wait();
  const inside = replaced(saved.inside, saved.x, gathered);
  saved.x.dispose();
  gathered.dispose();
  return inside;
}

/** Sums what `source` makes of each rank's rows of the vocabulary. */
const sourceBehind = <P extends Tree, S extends Tree>(
  source: InputEmbedding<P, S>,
  border: Border,
): InputEmbedding<P, S> => ({
  spec: insideSpec<P>(source.spec),
  forward(params, ids, ctx) {
    const [y, saved] = source.forward(params, ids, ctx);
    const sum = border.sum(y);
    y.dispose();
    return [sum.wait(), saved];
  },
  backward(params, saved, dy, sink, ctx) {
    const whole = border.gather(dy).wait();
    source.backward(params, saved, whole, sink, ctx);
    whole.dispose();
  },
});
