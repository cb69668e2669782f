// What one rank holds of a model's layers: all of them, or the chunks of its pipeline stage.

import type { Tensor } from "@tensorflow/tfjs-core";
import type { ForwardContext } from "@tessera/layers";
import {
  disposeTree,
  mergeTrees,
  type GradientSink,
  type Like,
  type ParamSpec,
  type Tree,
} from "@tessera/params";
import type { Range } from "@tessera/mesh";
import {
  contextOf,
  type Model,
  type ModelChunk,
  type ModelOptions,
  type TokenBatch,
} from "./model.js";

export interface ModelStage<P extends Tree = Tree> {
  readonly model: Model<P>;
  readonly options: ModelOptions;
  /** Of the parameters of all its chunks together. */
  readonly spec: Like<P, ParamSpec>;
  readonly chunks: readonly ModelChunk<P>[];
}

/** A stage with a chunk for each of `layers`. */
export function modelStage<P extends Tree>(
  model: Model<P>,
  options: ModelOptions,
  layers: readonly Range[],
): ModelStage<P> {
  const chunks = layers.map((range) => model.chunk(options, range));
  const spec = chunks.map((chunk) => chunk.spec).reduce(mergeTrees<Like<P, ParamSpec>>);
  return { model, options, chunks, spec };
}

/** All layers on one rank. */
export interface FullModel<P extends Tree = Tree> extends ModelStage<P> {
  /** The loss of `batch` in nats, a scalar. */
  loss(params: P, batch: TokenBatch, ctx: ForwardContext): Tensor;
  /** The same, and every parameter's gradient to `sink`, last layers first. */
  lossAndGradients(
    params: P,
    batch: TokenBatch,
    sink: GradientSink<P>,
    ctx: ForwardContext,
  ): Tensor;
  /** ids [batch, time] -> activations [batch, time, hidden] before the head. */
  activations(params: P, ids: Tensor, ctx: ForwardContext): Tensor;
  /** Activations [batch, time, hidden] -> logits [batch, time, vocabulary]. */
  logits(params: P, x: Tensor): Tensor;
}

/** The whole of `model`, as one chunk. */
export function fullModel<P extends Tree>(
  model: Model<P>,
  options: ModelOptions = {},
): FullModel<P> {
  const stage = modelStage(model, options, [{ start: 0, size: model.layerCount }]);
  const [all] = stage.chunks as [ModelChunk<P>];
  const head = all.head!; // the chunk that has all layers has the last

  const activations = (params: P, ids: Tensor, ctx: ForwardContext): Tensor => {
    const [y, saved] = all.forward(params, ids, ctx);
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
      const [y, saved] = all.forward(params, batch.ids, ctx);
      const { loss, dx } = head.lossAndGradient(params, y, batch.targets, sink);
      y.dispose();
      all.backward(params, saved, dx, sink, ctx);
      dx.dispose();
      return loss;
    },
    activations,
    logits: (params, x) => head.logits(params, x),
  };
}
