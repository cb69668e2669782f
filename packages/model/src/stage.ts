// The layers of a model on one rank: the chunks of a pipeline stage, or all layers as one chunk.

import type { Tensor } from "@tensorflow/tfjs-core";
import type { ForwardContext } from "@tessera/layers";
import type { Outside } from "@tessera/layers/placement";
import type { Range } from "@tessera/mesh";
import {
  disposeTree,
  mergeTrees,
  type GradientSink,
  type Like,
  type ParamSpec,
  type Tree,
} from "@tessera/params";
import type { Placed } from "@tessera/params/placement";
import {
  contextOf,
  type Model,
  type ModelChunk,
  type ModelOptions,
  type TokenBatch,
} from "./model.js";

/** One pipeline stage of a model. */
export interface ModelStage<P extends Tree = Tree> {
  readonly model: Model<P>;
  readonly options: ModelOptions;
  /** Specs of the parameters of all chunks. */
  readonly spec: Like<P, ParamSpec>;
  readonly chunks: readonly ModelChunk<P>[];
}

/** The stage that has a chunk per range of `layers`. */
export function modelStage<P extends Tree>(
  model: Model<P>,
  options: ModelOptions,
  layers: readonly Range[],
): ModelStage<P> {
  const chunks = layers.map((range) => model.chunk(options, range));
  const spec = chunks.map((chunk) => chunk.spec).reduce(mergeTrees<Like<P, ParamSpec>>);
  return { model, options, chunks, spec };
}

/** A model whose layers are all on one rank. */
export interface FullModel<P extends Tree = Tree> extends ModelStage<P> {
  /** The loss of `batch` in nats, a scalar. */
  loss(params: P, batch: TokenBatch, ctx: ForwardContext): Placed<"invariant">;
  /** The same loss. Each parameter's gradient goes to `sink`, last layers first. */
  lossAndGradients(
    params: P,
    batch: TokenBatch,
    sink: GradientSink<P>,
    ctx: ForwardContext,
  ): Placed<"invariant">;
  /** ids [batch, time] (int32) -> activations [batch, time, hidden], the input of the head. */
  activations(params: P, ids: Tensor, ctx: ForwardContext): Placed<Outside>;
  /** Activations [batch, time, hidden] -> logits [batch, time, vocabulary]. */
  logits(params: P, x: Placed<Outside>): Placed<"invariant">;
}

/** All layers of `model` as one chunk. */
export function fullModel<P extends Tree>(
  model: Model<P>,
  options: ModelOptions = {},
): FullModel<P> {
  const stage = modelStage(model, options, [{ start: 0, size: model.layerCount }]);
  const [chunk] = stage.chunks as [ModelChunk<P>];
  const head = chunk.head!; // it has the last layer

  const activations = (params: P, ids: Tensor, ctx: ForwardContext): Placed<Outside> => {
    const [y, saved] = chunk.forward(params, ids, ctx);
    disposeTree(saved);
    return y;
  };

  return {
    ...stage,
    loss(params, batch, ctx) {
      const y = activations(params, batch.ids, contextOf(ctx, batch));
      const loss = head.loss(params, y, batch.targets);
      y.dispose();
      return loss;
    },
    lossAndGradients(params, batch, sink, step) {
      const ctx = contextOf(step, batch);
      const [y, saved] = chunk.forward(params, batch.ids, ctx);
      const { loss, dx } = head.lossAndGradient(params, y, batch.targets, sink);
      y.dispose();
      chunk.backward(params, saved, dx, sink, ctx);
      dx.dispose();
      return loss;
    },
    activations,
    logits: (params, x) => head.logits(params, x),
  };
}
