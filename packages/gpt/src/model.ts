// A whole GPT, and what a stage of a pipeline holds of one. Written once: a region says what ranks
// split, and the tree of parameters what each of them holds.

import type { Tensor } from "@tensorflow/tfjs-core";
import {
  disposeTree,
  type Like,
  type ParamSpec,
  type GradientSink,
  type ForwardContext,
  type Targets,
} from "@tessera/layers";
import type { Range } from "@tessera/mesh";
import type { GptConfig } from "./config.js";
import { gptChunk, type GptOptions, type GptParams, type GptChunk } from "./chunk.js";

/** Some rows of a step. */
export interface Batch {
  /** [batch, time] (int32). */
  readonly ids: Tensor;
  readonly targets: Targets;
  /** Where documents that share a row are apart, as `ForwardContext` has it; absent where they are not. */
  readonly positions?: Tensor;
  readonly starts?: Tensor;
}

/** The call `at`, of the rows of a batch. */
export const withBatch = (ctx: ForwardContext, { positions, starts }: Batch): ForwardContext => ({
  ...ctx,
  positions,
  starts,
});

/** What one rank holds of a GPT's layers: all of them, or the parts of its pipeline stage. */
export interface GptStage {
  readonly config: GptConfig;
  /** Of the parameters of all its parts together. */
  readonly spec: Like<GptParams, ParamSpec>;
  readonly options: GptOptions;
  readonly chunks: readonly GptChunk[];
}

/** A stage with a part for each of `layers`. */
export function gptStage(
  config: GptConfig,
  options: GptOptions,
  layers: readonly Range[],
): GptStage {
  const parts = layers.map((span) => gptChunk(config, options, span));
  const specs = parts.map(({ spec }) => spec);
  return {
    config,
    options,
    chunks: parts,
    spec: specs.reduce((all, { embedding, drop, blocks, norm, head }) => ({
      embedding: { ...all.embedding, ...embedding },
      drop,
      blocks: { ...all.blocks, ...blocks },
      norm: { ...all.norm, ...norm },
      head: { ...all.head, ...head },
    })),
  };
}

export interface Gpt extends GptStage {
  /** The loss of `batch` in nats, a scalar. */
  loss(params: GptParams, batch: Batch, ctx: ForwardContext): Tensor;
  /** The same, and every parameter's gradient to `sink`, last layers first. */
  lossAndGradients(
    params: GptParams,
    batch: Batch,
    sink: GradientSink<GptParams>,
    ctx: ForwardContext,
  ): Tensor;
  /** ids [batch, time] -> activations [batch, time, hidden] before the head. */
  activations(params: GptParams, ids: Tensor, ctx: ForwardContext): Tensor;
  /** Activations [batch, time, hidden] -> logits [batch, time, vocabulary]. */
  logits(params: GptParams, x: Tensor): Tensor;
}

export function gpt(config: GptConfig, options: GptOptions = {}): Gpt {
  const stage = gptStage(config, options, [{ start: 0, size: config.layerCount }]);
  const [all] = stage.chunks as [GptChunk];
  const end = all.head!; // the part that has all layers has the last

  const activations = (params: GptParams, ids: Tensor, ctx: ForwardContext): Tensor => {
    const [y, saved] = all.forward(params, ids, ctx);
    disposeTree(saved);
    return y;
  };

  return {
    ...stage,
    loss(params, batch, ctx) {
      const y = activations(params, batch.ids, withBatch(ctx, batch));
      const loss = end.loss(params, y, batch.targets);
      y.dispose();
      return loss;
    },
    lossAndGradients(params, batch, sink, call) {
      const ctx = withBatch(call, batch);
      const [y, saved] = all.forward(params, batch.ids, ctx);
      const { loss, dx } = end.lossAndGradient(params, y, batch.targets, sink);
      y.dispose();
      all.backward(params, saved, dx, sink, ctx);
      dx.dispose();
      return loss;
    },
    activations,
    logits: (params, x) => end.logits(params, x),
  };
}
