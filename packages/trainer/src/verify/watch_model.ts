// A model that shows what goes in and out of its layers, while it computes as ever.

import type { Tensor } from "@tensorflow/tfjs-core";
import { defineLayer, type ForwardContext, type Layer } from "@tessera/layers";
import {
  identityWrapper,
  noTensorParallel,
  type InputEmbedding,
  type LayerWrapper,
} from "@tessera/layers/parallel";
import type { ShardIndex } from "@tessera/mesh";
import type { Model } from "@tessera/model";
import type { Tree } from "@tessera/params";

/** An activation, or the gradient of one, as a layer leaves it. */
export interface Activation {
  /** "output" of the layer, "input gradient", or "output gradient" of the last one, which the head made. */
  readonly what: "output" | "input gradient" | "output gradient";
  /** Path of the layer. */
  readonly layer: string;
  /** Index of the first row among all rows of the step. */
  readonly firstRow: number;
  /** [batch, time, hidden]. Borrowed. */
  readonly x: Tensor;
  /** The shard of the time that it has. */
  readonly tokens: ShardIndex;
}

/** What is shown an activation. */
export type See = (activation: Activation) => void;

/** `model`, whose layers show `see` what they return. Each of them is watched inside of what wraps it. */
export const watchModel = <P extends Tree>(model: Model<P>, see: See): Model<P> => ({
  ...model,
  chunk(options, layers) {
    const { wrapper = identityWrapper, tensorParallel = noTensorParallel } = options;
    const { tokenShard: tokens } = tensorParallel;
    const show = (what: Activation["what"], { path, firstRow }: ForwardContext, x: Tensor): void =>
      see({ what, layer: path, firstRow, x, tokens });
    return model.chunk({ ...options, wrapper: watchLayers(wrapper, show) }, layers);
  },
});

type Show = (what: Activation["what"], ctx: ForwardContext, x: Tensor) => void;

function watchLayers(wrapper: LayerWrapper, show: Show): LayerWrapper {
  return {
    ...wrapper,
    embedding: (embedding) => wrapper.embedding(watchEmbedding(embedding, show)),
    stack<const L extends Readonly<Record<string, Layer<Tree, Tree>>>>(layers: L) {
      const watched = Object.entries(layers).map(([name, layer]) => [
        name,
        watchLayer(layer, show),
      ]);
      // A layer that is watched has the type of the layer.
      return wrapper.stack(Object.fromEntries(watched) as L);
    },
    layer(layer) {
      const watched = watchLayer(layer, show);
      return wrapper.layer(
        defineLayer({
          ...watched,
          backward(params, saved, dy, sink, ctx) {
            show("output gradient", ctx, dy);
            return watched.backward(params, saved, dy, sink, ctx);
          },
        }),
      );
    },
  };
}

const watchLayer = <P extends Tree, S extends Tree>(layer: Layer<P, S>, show: Show): Layer<P, S> =>
  defineLayer({
    spec: layer.spec,
    forward(params, x, ctx) {
      const result = layer.forward(params, x, ctx);
      show("output", ctx, result[0]);
      return result;
    },
    backward(params, saved, dy, sink, ctx) {
      const dx = layer.backward(params, saved, dy, sink, ctx);
      show("input gradient", ctx, dx);
      return dx;
    },
  });

const watchEmbedding = <P extends Tree, S extends Tree>(
  embedding: InputEmbedding<P, S>,
  show: Show,
): InputEmbedding<P, S> => ({
  ...embedding,
  forward(params, ids, ctx) {
    const result = embedding.forward(params, ids, ctx);
    show("output", ctx, result[0]);
    return result;
  },
});
