// What training, checkpoints, generation and evaluation know of a model. A family of models (GPT, an encoder of
// your own) implements `Model`; nothing else in Tessera names a family.

import type { Tensor } from "@tensorflow/tfjs-core";
import type { FloatStorage } from "@tessera/kernels/memory";
import type { ForwardContext } from "@tessera/layers";
import type {
  LayerWrapper,
  LossAndGradient,
  Targets,
  TensorParallel,
} from "@tessera/layers/parallel";
import type { GradientSink, Like, ParamSpec, Tree } from "@tessera/params";
import type { Range } from "@tessera/mesh";
import type { Recomputation } from "./recomputation.js";

/** Some rows of a step, as tensors. */
export interface TokenBatch {
  /** [batch, time] (int32). */
  readonly ids: Tensor;
  readonly targets: Targets;
  /** As `ForwardContext` has them, where several documents share a row. */
  readonly positions?: Tensor;
  readonly starts?: Tensor;
}

/** `ctx` for the rows of a batch. */
export const contextOf = (
  ctx: ForwardContext,
  { positions, starts }: TokenBatch,
): ForwardContext => ({ ...ctx, positions, starts });

/** How a model is built on this rank. Parallel strategies and precision wrap it; its code stays the same. */
export interface ModelOptions {
  /** What tensor-parallel ranks do around the layers that they share. Default: nothing. */
  readonly tensorParallel?: TensorParallel;
  /**
   * How activations are stored. Products round weights to the storage of what they multiply, so in `bf16` and
   * `fp16` the parameters, which stay fp32, are the master weights; their gradients are fp32 too. Default: fp32.
   */
  readonly storage?: FloatStorage;
  /** What backward computes again instead of saving. Default: nothing. */
  readonly recompute?: Recomputation;
  /** What a strategy puts around the model's layers, as FSDP does. Default: nothing. */
  readonly wrapper?: LayerWrapper;
}

/** What backward needs of a chunk's forward. */
export type ChunkSaved = { readonly embedding: Tree; readonly body: Tree };

/** Consecutive layers of a model, as a pipeline stage holds them. The chunk of all layers is the whole model. */
export interface ModelChunk<P extends Tree> {
  readonly spec: Like<P, ParamSpec>;
  /** Whether it takes ids. */
  readonly isFirst: boolean;
  /** What follows the last chunk's activations; null for the others. */
  readonly head: ModelHead<P> | null;
  /** x -> y [batch, time, hidden]; x is ids [batch, time] (int32) for the first chunk, else like y. */
  forward(params: P, x: Tensor, ctx: ForwardContext): readonly [y: Tensor, saved: ChunkSaved];
  /** dy -> dx; null from the first chunk, as ids have no gradient. Frees `saved`. */
  backward(
    params: P,
    saved: ChunkSaved,
    dy: Tensor,
    sink: GradientSink<P>,
    ctx: ForwardContext,
  ): Tensor | null;
}

/** Activations y [batch, time, hidden] become logits, or a loss in nats summed over weighted tokens. */
export interface ModelHead<P extends Tree> {
  loss(params: P, y: Tensor, targets: Targets): Tensor;
  lossAndGradient(params: P, y: Tensor, targets: Targets, sink: GradientSink<P>): LossAndGradient;
  /** [batch, time, vocabulary]. */
  logits(params: P, y: Tensor): Tensor;
}

export interface Model<P extends Tree = Tree> {
  readonly family: ModelFamily<P>;
  /** Its configuration as JSON, from which its family builds it again. */
  readonly config: Readonly<Record<string, unknown>>;
  /**
   * What decides which parameters it has and what it computes, by name. A run continues only with a model that
   * is the same in all of it.
   */
  readonly identity: Readonly<Record<string, string>>;
  /** How many layers a pipeline may distribute over its stages. */
  readonly layerCount: number;
  /** The width of activations between layers. */
  readonly hiddenSize: number;
  /** The chunk that has the layers of `layers`. */
  chunk(options: ModelOptions, layers: Range): ModelChunk<P>;
}

/** A kind of models, which builds them from what checkpoints record. */
export interface ModelFamily<P extends Tree = Tree> {
  /** As checkpoints record it: "gpt". */
  readonly name: string;
  /**
   * The model of a configuration as JSON.
   * @throws UserError where it is not one of this family's; `where` names the file.
   */
  fromConfig(config: unknown, where: string): Model<P>;
}
