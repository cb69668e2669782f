// The two ends of a model, which know the vocabulary: the input embedding and the LM head.

import type { Tensor } from "@tensorflow/tfjs-core";
import {
  call,
  crossEntropy,
  crossEntropyGradient,
  crossEntropyInputGradient,
  product,
} from "@tessera/kernels";
import { exponentialBytes } from "@tessera/kernels/memory";
import {
  matrix,
  vector,
  vocabularyPartition,
  type GradientSink,
  type Like,
  type ParamSpec,
  type Tree,
} from "@tessera/params";
import { isDiscarded } from "@tessera/params/frozen";
import { claim, type GradientOf, type Placed, type Placement } from "@tessera/params/placement";
import { addAndDispose } from "./and_dispose.js";
import { checkSize } from "./check_sizes.js";
import type { Outside } from "./flow.js";
import type { ForwardContext } from "./forward_context.js";

/** ids [batch, time] (int32) -> activations [batch, time, width]. Like a `Layer`, but ids have no gradient. */
export interface InputEmbedding<P extends Tree, S extends Tree, Out extends Placement = Outside> {
  readonly spec: Like<P, ParamSpec>;
  /** ids [batch, time] of int32 -> activations [batch, time, hidden], and what to save for backward. */
  forward(params: P, ids: Tensor, ctx: ForwardContext): readonly [y: Placed<Out>, saved: S];
  /** Each parameter's gradient goes to `sink`. Frees `saved`. */
  backward(
    params: P,
    saved: S,
    dy: Placed<GradientOf<Out>>,
    sink: GradientSink<P>,
    ctx: ForwardContext,
  ): void;
}

/** What a model is trained to predict. Both tensors are [batch, time]. */
export interface Targets {
  /** The id to predict at each position (int32): in a GPT, the next one. */
  readonly ids: Tensor;
  /** Weight of each position in the loss; 0 where it is masked. */
  readonly weights: Tensor;
}

/**
 * Activations x [batch, time, width] -> cross-entropy in nats, summed over positions by weight. Forward and backward
 * are one call, as the last pipeline stage always runs them together: logits need not be saved.
 */
export interface LmHead<P extends Tree> {
  readonly spec: Like<P, ParamSpec>;
  loss(params: P, x: Placed<Outside>, targets: Targets): Placed<"invariant">;
  lossAndGradient(
    params: P,
    x: Placed<Outside>,
    targets: Targets,
    sink: GradientSink<P>,
  ): LossAndGradient;
  /** [batch, time, vocabulary], for generation. */
  logits(params: P, x: Placed<Outside>): Placed<"invariant">;
}

/** What a head computes in one call. */
export interface LossAndGradient {
  /** In nats, a scalar. */
  readonly loss: Placed<"invariant">;
  /** The gradient of the head's input. */
  readonly dx: Placed<Outside>;
}

/** The table [vocabulary, width] of an LM head, and perhaps a bias [vocabulary]. */
export type LmHeadParams = { readonly table: Tensor; readonly bias?: Tensor };

/** The sizes of an LM head. */
export interface LmHeadOptions {
  readonly vocabulary: number;
  readonly width: number;
  /** Standard deviation of the initial table. */
  readonly std: number;
  /** Whether the logits have a bias. Default: false. */
  readonly bias?: boolean;
}

/** The specs of an LM head: a table [vocabulary, width], and perhaps a bias [vocabulary]. */
export function lmHeadSpec({ vocabulary, width, std, bias }: LmHeadOptions) {
  checkSize("the vocabulary", vocabulary);
  checkSize("the width of an LM head", width);
  const partition = vocabularyPartition(vocabulary);
  return {
    table: matrix([vocabulary, width], partition, std),
    ...(bias && { bias: vector([vocabulary], partition, 0) }),
  };
}

/** Logits x table^T + bias, then cross-entropy. The table [vocabulary, width] may be the token embedding's. */
export const lmHead = (options: LmHeadOptions): LmHead<LmHeadParams> => ({
  spec: lmHeadSpec(options),
  loss({ table, bias }, x, { ids, weights }) {
    const inputs = { x, table, targets: ids, weights, bias };
    return claim(call(crossEntropy, inputs, {}).loss);
  },
  lossAndGradient({ table, bias }, x, { ids, weights }, sink) {
    const inputs = { x, table, targets: ids, weights, bias };
    const [vocabulary, width] = table.shape as [number, number];
    const limit = { exponentialBytes: exponentialBytes({ vocabulary, width }) };
    if (isDiscarded(sink.table) && (bias === undefined || isDiscarded(sink.bias))) {
      const { loss, dx } = call(crossEntropyInputGradient, inputs, limit);
      return { loss: claim(loss), dx: claim(dx) };
    }
    const { loss, dx, dTable, dBias } = call(crossEntropyGradient, inputs, limit);
    sink.table(dTable);
    if (dBias) sink.bias!(dBias);
    return { loss: claim(loss), dx: claim(dx) };
  },
  logits({ table, bias }, x) {
    const { y } = call(product, { x, weight: table }, { transpose: true });
    return claim(bias === undefined ? y : addAndDispose(y, bias.clone()));
  },
});
