// The two ends of a model, which know the vocabulary: ids become activations, activations a loss.

import type { Tensor } from "@tensorflow/tfjs-core";
import { call, crossEntropy, crossEntropyGradient, product } from "@tessera/kernels";
import { exponentialBytes } from "@tessera/kernels/memory";
import { vocabularyPartition } from "@tessera/params";
import { addAndDispose } from "./and_dispose.js";
import type { ParamSpec } from "@tessera/params";
import { matrix, vector } from "@tessera/params";
import type { ForwardContext } from "./forward_context.js";
import type { Like, GradientSink, Tree } from "@tessera/params";

/** Where ids [batch, time] (int32) become activations [batch, time, width]. Ids have no gradient. */
export interface InputEmbedding<P extends Tree, S extends Tree> {
  readonly spec: Like<P, ParamSpec>;
  forward(params: P, ids: Tensor, ctx: ForwardContext): readonly [y: Tensor, saved: S];
  /** Gives each parameter's gradient to `sink`. Frees `saved`. */
  backward(params: P, saved: S, dy: Tensor, sink: GradientSink<P>, ctx: ForwardContext): void;
}

/** What the activations should have led to. Both [batch, time]. */
export interface Targets {
  /** The next id after each position (int32). */
  readonly ids: Tensor;
  /** How much each position counts: its share of the loss, 0 where it is masked. */
  readonly weights: Tensor;
}

/**
 * Where activations x [batch, time, width] become a loss in nats, the weighted sum over positions.
 * Forward and backward are one call, because the last stage always runs them in one go.
 */
export interface LmHead<P extends Tree> {
  readonly spec: Like<P, ParamSpec>;
  loss(params: P, x: Tensor, targets: Targets): Tensor;
  lossAndGradient(params: P, x: Tensor, targets: Targets, sink: GradientSink<P>): LossAndGradient;
  /** [batch, time, vocabulary]: for generation, where few positions are asked for. */
  logits(params: P, x: Tensor): Tensor;
}

export interface LossAndGradient {
  readonly loss: Tensor;
  readonly dx: Tensor;
}

export type LmHeadParams = { readonly table: Tensor; readonly bias?: Tensor };

export interface LmHeadOptions {
  readonly vocabulary: number;
  readonly width: number;
  readonly std: number;
  /** Whether something is added to the logits: no, unless it is said. */
  readonly bias?: boolean;
}

export function lmHeadSpec({ vocabulary, width, std, bias }: LmHeadOptions) {
  const partition = vocabularyPartition(vocabulary);
  return {
    table: matrix([vocabulary, width], partition, std),
    ...(bias && { bias: vector([vocabulary], partition, 0) }),
  };
}

/** Logits by a table [vocabulary, width], which may be the embedding's, then cross-entropy. */
export const lmHead = (options: LmHeadOptions): LmHead<LmHeadParams> => ({
  spec: lmHeadSpec(options),
  loss({ table, bias }, x, { ids, weights }) {
    const inputs = { x, table, targets: ids, weights, bias };
    return call(crossEntropy, inputs, {}).loss;
  },
  lossAndGradient({ table, bias }, x, { ids, weights }, sink) {
    const inputs = { x, table, targets: ids, weights, bias };
    const [vocabulary, width] = table.shape as [number, number];
    const limit = { exponentialBytes: exponentialBytes({ vocabulary, width }) };
    const { loss, dx, dTable, dBias } = call(crossEntropyGradient, inputs, limit);
    sink.table(dTable);
    if (dBias) sink.bias!(dBias);
    return { loss, dx };
  },
  logits({ table, bias }, x) {
    const { y } = call(product, { x, weight: table }, { transpose: true });
    return bias === undefined ? y : addAndDispose(y, bias.clone());
  },
});
