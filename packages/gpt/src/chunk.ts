// A run of a GPT's layers, as a pipeline stage holds it; the whole model is the part that has all. The
// first part turns ids into activations, the last one activations into a loss.

import type { Tensor } from "@tensorflow/tfjs-core";
import { call, convert, type FloatStorage } from "@tessera/kernels";
import {
  identityWrapper,
  dropout,
  embedding,
  childContext,
  sequence,
  noTensorParallel,
  type AnyLayer,
  type EmbeddingParams,
  type LmHead,
  type Layer,
  type Like,
  type LossAndGradient,
  type NoParams,
  type ParamSpec,
  type TensorParallel,
  type GradientSink,
  type InputEmbedding,
  type ForwardContext,
  type Targets,
  type TokenParams,
  type Tree,
  type LmHeadParams,
  type LayerWrapper,
} from "@tessera/layers";
import type { Range } from "@tessera/mesh";
import { block, createNorm, type BlockParams, type NormParams } from "./block.js";
import type { GptConfig } from "./config.js";
import { stackBlocks, type Recomputation } from "./recomputation.js";

/**
 * The parameters of a GPT, or of parts of it, which lack what they do not use. Blocks are named by their
 * place in the whole model. `head` is empty where the token embedding makes the logits: the last part
 * then has the token embedding too.
 */
export type GptParams = {
  readonly embedding: EmbeddingParams | TokenParams | NoParams;
  readonly drop: NoParams;
  readonly blocks: Readonly<Record<string, BlockParams>>;
  readonly norm: NormParams | NoParams;
  readonly head: LmHeadParams | NoParams;
};

export interface GptOptions {
  /** What happens around the stretches that ranks share. */
  readonly tensorParallel?: TensorParallel;
  /**
   * How activations are stored. Products round weights to the storage of what they multiply, so in
   * `bf16` and `fp16` the parameters, which stay fp32, are the masters; their gradients are fp32 too.
   */
  readonly storage?: FloatStorage;
  /** What backward computes again instead of keeping: nothing, unless it is said. */
  readonly recompute?: Recomputation;
  /** What a strategy puts around the model's parts. */
  readonly wrapper?: LayerWrapper;
}

/** What backward needs of a part's forward. */
export type ChunkSaved = { readonly embedding: Tree; readonly body: Tree };

export interface GptChunk {
  readonly spec: Like<GptParams, ParamSpec>;
  readonly isFirst: boolean;
  /** What comes behind the last part's activations; null for the others. */
  readonly head: GptHead | null;
  /** x -> y [batch, time, hidden]; x is ids [batch, time] (int32) for the first part, else like y. */
  forward(
    params: GptParams,
    x: Tensor,
    ctx: ForwardContext,
  ): readonly [y: Tensor, saved: ChunkSaved];
  /** dy -> dx; null from the first part, as ids have no gradient. Frees `saved`. */
  backward(
    params: GptParams,
    saved: ChunkSaved,
    dy: Tensor,
    sink: GradientSink<GptParams>,
    ctx: ForwardContext,
  ): Tensor | null;
}

/** Activations y [batch, time, hidden] become logits, or a loss in nats: a `LmHead` of a model's parameters. */
export interface GptHead {
  loss(params: GptParams, y: Tensor, targets: Targets): Tensor;
  lossAndGradient(
    params: GptParams,
    y: Tensor,
    targets: Targets,
    sink: GradientSink<GptParams>,
  ): LossAndGradient;
  logits(params: GptParams, y: Tensor): Tensor;
}

/** The part of the model that has the blocks of `layers`. */
export function gptChunk(config: GptConfig, options: GptOptions, layers: Range): GptChunk {
  const isFirst = layers.start === 0;
  const isLast = layers.start + layers.size === config.layerCount;
  const source = isFirst ? createEmbedding(config, options) : null;
  const body = createBody(config, options, { layers, isFirst, isLast });
  const head = isLast ? createHead(config, options) : null;
  return {
    spec: {
      embedding: markTied(embeddingSpec(config, source, head), tiedUse(config, isFirst, isLast)),
      drop: {},
      blocks: body.spec.blocks,
      norm: isLast ? body.spec.norm : {},
      head: head === null || config.tiedEmbeddings ? {} : head.spec,
    },
    isFirst,
    head: head === null ? null : headOfModel(head),
    forward(params, x, ctx) {
      const [h, ofSource] =
        source === null
          ? [x.clone(), {}]
          : source.forward(params.embedding, x, childContext(ctx, "embedding"));
      const stored = castActivations(h, options.storage);
      const [y, ofBody] = body.forward(params, stored, ctx);
      stored.dispose();
      return [y, { embedding: ofSource, body: ofBody }];
    },
    backward(params, saved, dy, sink, ctx) {
      const dx = body.backward(params, saved.body, dy, sink, ctx);
      if (source === null) return dx;
      const within = childContext(ctx, "embedding");
      source.backward(params.embedding, saved.embedding, dx, sink.embedding, within);
      dx.dispose();
      return null;
    },
  };
}

type FirstSource = InputEmbedding<GptParams["embedding"], Tree>;

function createEmbedding(
  config: GptConfig,
  { tensorParallel = noTensorParallel, wrapper = identityWrapper }: GptOptions,
): FirstSource {
  const { vocabularySize: vocabulary, hiddenSize: width, initStd: std } = config;
  const positions = config.positions.kind === "learned" ? config.maxPositions : null;
  const source = wrapper.embedding(
    embedding({ vocabulary, positions, width, std }, tensorParallel),
  );
  return source;
}

function createHead(
  config: GptConfig,
  { tensorParallel = noTensorParallel, wrapper = identityWrapper }: GptOptions,
) {
  const { vocabularySize: vocabulary, hiddenSize: width, initStd: std } = config;
  return wrapper.head(tensorParallel.lmHead({ vocabulary, width, std, bias: config.biases.head }));
}

interface ChunkPosition {
  readonly layers: Range;
  readonly isFirst: boolean;
  readonly isLast: boolean;
}

/** What stands between the ends. Its parameters are the model's. */
function createBody(
  config: GptConfig,
  { tensorParallel = noTensorParallel, wrapper = identityWrapper, recompute }: GptOptions,
  { layers: { start, size }, isFirst, isLast }: ChunkPosition,
): Layer<GptParams, Tree> {
  const one = block(config, tensorParallel, recompute);
  const names = Array.from({ length: size }, (_, i) => String(start + i));
  const layers: Record<string, AnyLayer> = {
    ...(isFirst && { drop: dropout(config.dropout.embedding, tensorParallel.tokenShard) }),
    blocks: stackBlocks(Object.fromEntries(names.map((name) => [name, one])), recompute, wrapper),
    ...(isLast && { norm: wrapper.layer(createNorm(config)) }),
  };
  // The names of the layers are those of the parameters.
  return sequence(layers) as unknown as Layer<GptParams, Tree>;
}

/** Embeddings of the first part; the last one's table, where it is the embedding. */
function embeddingSpec(
  { tiedEmbeddings }: GptConfig,
  source: FirstSource | null,
  head: LmHead<LmHeadParams> | null,
): Like<GptParams["embedding"], ParamSpec> {
  if (source !== null) return source.spec;
  return head !== null && tiedEmbeddings ? { token: head.spec.table } : {};
}

type TiedUse = Pick<ParamSpec, "gradientCount" | "isTiedAcrossStages">;

/** A token embedding that makes the logits too is used twice, here or on both ends of a pipeline. */
function tiedUse({ tiedEmbeddings }: GptConfig, isFirst: boolean, isLast: boolean): TiedUse {
  if (!tiedEmbeddings) return {};
  return isFirst && isLast ? { gradientCount: 2 } : { isTiedAcrossStages: true };
}

const markTied = <S extends Like<GptParams["embedding"], ParamSpec>>(spec: S, use: TiedUse): S =>
  "token" in spec ? { ...spec, token: { ...spec.token, ...use } } : spec;

/** h in the storage of activations. Uses h up. */
function castActivations(h: Tensor, storage: FloatStorage = "fp32"): Tensor {
  if (storage === "fp32") return h;
  const { y } = call(convert, { x: h }, { storage });
  h.dispose();
  return y;
}

/** The head's parameters: a table of its own, or the token embedding. */
const headParams = ({ embedding, head }: GptParams): LmHeadParams =>
  "table" in head ? head : { table: (embedding as TokenParams).token };

const headSink = ({ embedding, head }: GradientSink<GptParams>): GradientSink<LmHeadParams> =>
  "table" in head ? head : { table: (embedding as GradientSink<TokenParams>).token };

const headOfModel = (head: LmHead<LmHeadParams>): GptHead => ({
  loss: (params, y, targets) => head.loss(headParams(params), y, targets),
  lossAndGradient: (params, y, targets, sink) =>
    head.lossAndGradient(headParams(params), y, targets, headSink(sink)),
  logits: (params, y) => head.logits(headParams(params), y),
});
