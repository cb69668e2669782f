// The interface between models and all that uses them: training, checkpoints, generation and evaluation. A family of
// models (GPT, a custom encoder) implements `Model`; nothing else in Tessera names a family.

import type { Tensor } from "@tensorflow/tfjs-core";
import type { FloatStorage } from "@tessera/kernels/memory";
import type { ForwardContext } from "@tessera/layers";
import type { Outside } from "@tessera/layers/placement";
import type {
  LayerWrapper,
  LossAndGradient,
  Targets,
  TensorParallel,
} from "@tessera/layers/parallel";
import type { Range } from "@tessera/mesh";
import type { GradientSink, Like, ParamSpec, Tree } from "@tessera/params";
import type { Placed } from "@tessera/params/placement";
import type { Recomputation } from "./recomputation.js";

/** The rows of one forward and backward: a microbatch. */
export interface TokenBatch {
  /** [batch, time] (int32). */
  readonly ids: Tensor;
  /** What each position should predict, and how much its loss counts. */
  readonly targets: Targets;
  /** Position of each token, for packed documents: see `ForwardContext`. */
  readonly positions?: Tensor;
  /** Start of each token's document, for packed documents: see `ForwardContext`. */
  readonly starts?: Tensor;
}

/** `ctx` with the positions and document starts of a batch. */
export const contextOf = (
  ctx: ForwardContext,
  { positions, starts }: TokenBatch,
): ForwardContext => ({ ...ctx, positions, starts });

/** How a model is built on this rank: parallelism, precision and recomputation. */
export interface ModelOptions {
  /** Tensor parallelism of layers, embedding and head. Default: none. */
  readonly tensorParallel?: TensorParallel;
  /**
   * How activations are stored. Products round weights to the storage of what they multiply, so in `bf16` and
   * `fp16` the parameters, which stay fp32, are the master weights; their gradients are fp32 too. Default: fp32.
   */
  readonly storage?: FloatStorage;
  /** What backward recomputes instead of saving. Default: nothing. */
  readonly recompute?: Recomputation;
  /** Wraps the model's layers, as FSDP does. Default: nothing. */
  readonly wrapper?: LayerWrapper;
}

/** What a chunk's forward saves for backward. */
export type ChunkSaved = { readonly embedding: Tree; readonly body: Tree };

/** Consecutive layers of a model: what Megatron-LM calls a model chunk, or virtual pipeline stage. */
export interface ModelChunk<P extends Tree> {
  readonly spec: Like<P, ParamSpec>;
  /** Whether its input is ids, not activations. */
  readonly isFirst: boolean;
  /** The head of the last chunk; null for the others. */
  readonly head: ModelHead<P> | null;
  /** x -> y [batch, time, hidden]. x is ids [batch, time] (int32) in the first chunk, else activations like y. */
  forward(
    params: P,
    x: Tensor,
    ctx: ForwardContext,
  ): readonly [y: Placed<Outside>, saved: ChunkSaved];
  /** dy -> dx; null from the first chunk, as ids have no gradient. Frees `saved`. */
  backward(
    params: P,
    saved: ChunkSaved,
    dy: Placed<Outside>,
    sink: GradientSink<P>,
    ctx: ForwardContext,
  ): Placed<Outside> | null;
}

/** Activations y [batch, time, hidden] -> logits, or a loss in nats: the weighted sum over tokens. */
export interface ModelHead<P extends Tree> {
  loss(params: P, y: Placed<Outside>, targets: Targets): Placed<"invariant">;
  lossAndGradient(
    params: P,
    y: Placed<Outside>,
    targets: Targets,
    sink: GradientSink<P>,
  ): LossAndGradient;
  /** [batch, time, vocabulary]. */
  logits(params: P, y: Placed<Outside>): Placed<"invariant">;
}

/** A model of any architecture, before it is distributed over ranks. */
export interface Model<P extends Tree = Tree> {
  readonly family: ModelFamily<P>;
  /** The configuration as JSON, from which `family` builds the model again. */
  readonly config: Readonly<Record<string, unknown>>;
  /**
   * All settings that determine the parameters and what is computed from them, by name. A run resumes only with a
   * model that is the same in all of them.
   */
  readonly identity: Readonly<Record<string, string>>;
  /** Settings that change what training computes, and not what is trained, by name. Default: none. */
  readonly settings?: Readonly<Record<string, string>>;
  /** Number of layers, which pipeline parallelism distributes over stages. */
  readonly layerCount: number;
  /** The width of activations between layers. */
  readonly hiddenSize: number;
  /** The chunk of `layers`. */
  chunk(options: ModelOptions, layers: Range): ModelChunk<P>;
  /**
   * This model in small, for checks of how it is divided over ranks: the same layers, heads and options, of small width
   * and vocabulary, for sequences of up to `positions` tokens. Default: there is none.
   */
  narrow?(positions: number): NarrowModel<P>;
}

/** A model in small. */
export interface NarrowModel<P extends Tree = Tree> {
  readonly model: Model<P>;
  /** Ids that it knows: 0 to this, exclusive. */
  readonly vocabularySize: number;
}

/** An architecture, which builds models from the configurations in checkpoints. */
export interface ModelFamily<P extends Tree = Tree> {
  /** The name in checkpoints: "gpt". */
  readonly name: string;
  /**
   * The model of a configuration as JSON. `where` is the file, for errors.
   * @throws UserError where the configuration is not valid.
   */
  fromConfig(config: unknown, where: string): Model<P>;
}
