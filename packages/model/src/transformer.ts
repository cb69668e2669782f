// Transformers: an embedding, blocks, a norm and a head, as GPT, BERT and most others. Each architecture provides
// these parts. How they are divided into pipeline chunks, and how the head is tied to the embedding, is here.

import { call, convert } from "@tessera/kernels";
import type { FloatStorage } from "@tessera/kernels/memory";
import { childContext, stack, type Layer, type NoParams } from "@tessera/layers";
import type { Outside } from "@tessera/layers/placement";
import {
  identityWrapper,
  noTensorParallel,
  type InputEmbedding,
  type LmHead,
  type LmHeadParams,
  type TensorParallel,
  type TokenParams,
} from "@tessera/layers/parallel";
import type { Range } from "@tessera/mesh";
import { type GradientSink, type Like, type ParamSpec, type Tree } from "@tessera/params";
import { claim, type Placed } from "@tessera/params/placement";
import type { Model, ModelChunk, ModelHead, ModelOptions } from "./model.js";
import { stackBlocks, type Recomputation } from "./recomputation.js";

/**
 * The parameters of a transformer, or of a chunk, in which unused ones are missing. Blocks are named by their index in
 * the full model. `head` is empty where it is tied to the token embedding, which the last chunk then has too.
 */
export type TransformerParams = {
  readonly embedding: Tree;
  readonly drop: NoParams;
  readonly blocks: Readonly<Record<string, Tree>>;
  readonly norm: Tree;
  readonly head: LmHeadParams | NoParams;
};

/** The parts of a transformer. */
export interface TransformerParts {
  embedding(tensorParallel: TensorParallel): InputEmbedding<Tree, Tree>;
  /** Dropout after the embedding. */
  drop(tensorParallel: TensorParallel): Layer<NoParams, NoParams>;
  /** The block at `layer` of the full model, with the recomputation of attention if `recompute` asks for it. */
  block(
    tensorParallel: TensorParallel,
    recompute: Recomputation | undefined,
    layer: number,
  ): Layer<Tree, Tree>;
  /** The final norm, before the head. */
  norm(): Layer<Tree, Tree>;
  head(tensorParallel: TensorParallel): LmHead<LmHeadParams>;
  /** Whether the head's table is the embedding's parameter `token`. */
  readonly isTied: boolean;
}

/** The model that consists of `parts`; `about` is all else of it. */
export function transformer<P extends TransformerParams>(
  about: Omit<Model<P>, "chunk">,
  parts: TransformerParts,
): Model<P> {
  const chunk = (options: ModelOptions, layers: Range): ModelChunk<TransformerParams> => {
    const isFirst = layers.start === 0;
    const isLast = layers.start + layers.size === about.layerCount;
    return transformerChunk(parts, options, { layers, isFirst, isLast });
  };
  // `P` is more specific than the parameters that `TransformerParts` knows of.
  return { ...about, chunk } as unknown as Model<P>;
}

/** Where in the model a chunk is. */
interface ChunkPosition {
  readonly layers: Range;
  readonly isFirst: boolean;
  readonly isLast: boolean;
}

function transformerChunk(
  parts: TransformerParts,
  options: ModelOptions,
  position: ChunkPosition,
): ModelChunk<TransformerParams> {
  const { tensorParallel = noTensorParallel, wrapper = identityWrapper } = options;
  const { isFirst, isLast } = position;
  const embedding = isFirst ? wrapper.embedding(parts.embedding(tensorParallel)) : null;
  const body = createBody(parts, options, position);
  const head = isLast ? wrapper.head(parts.head(tensorParallel)) : null;
  return {
    spec: {
      embedding: embeddingSpec(parts, embedding, head),
      drop: {},
      blocks: body.spec.blocks,
      norm: isLast ? body.spec.norm : {},
      head: head === null || parts.isTied ? {} : head.spec,
    },
    isFirst,
    head: head === null ? null : modelHead(head),
    forward(params, x, ctx) {
      const [h, embeddingSaved] =
        embedding === null
          ? [claim<Outside>(x.clone()), {}]
          : embedding.forward(params.embedding, x, childContext(ctx, "embedding"));
      const stored = castActivations(h, options.storage);
      const [y, bodySaved] = body.forward(params, stored, ctx);
      stored.dispose();
      return [y, { embedding: embeddingSaved, body: bodySaved }];
    },
    backward(params, saved, dy, sink, ctx) {
      const dx = body.backward(params, saved.body, dy, sink, ctx);
      if (embedding === null) return dx;
      const child = childContext(ctx, "embedding");
      embedding.backward(params.embedding, saved.embedding, dx, sink.embedding, child);
      dx.dispose();
      return null;
    },
  };
}

/** Dropout, blocks and norm, under the names of the model's parameters. */
function createBody(
  parts: TransformerParts,
  { tensorParallel = noTensorParallel, wrapper = identityWrapper, recompute }: ModelOptions,
  { layers: { start, size }, isFirst, isLast }: ChunkPosition,
): Layer<TransformerParams, Tree> {
  const blocks = Array.from({ length: size }, (_, i) => {
    const layer = start + i;
    return [String(layer), parts.block(tensorParallel, recompute, layer)] as const;
  });
  const layers: Record<string, Layer<Tree, Tree>> = {
    ...(isFirst && { drop: parts.drop(tensorParallel) }),
    blocks: stackBlocks(Object.fromEntries(blocks), recompute, wrapper),
    ...(isLast && { norm: wrapper.layer(parts.norm()) }),
  };
  // The names of the layers are those of the parameters.
  return stack(layers) as unknown as Layer<TransformerParams, Tree>;
}

/**
 * Specs of the embeddings in the first chunk, and of a tied table in the last one. A tied table has two gradients: in
 * one chunk it is given both, in two chunks each is given one, and they need an all-reduce.
 */
function embeddingSpec(
  { isTied }: TransformerParts,
  embedding: InputEmbedding<Tree, Tree> | null,
  head: LmHead<LmHeadParams> | null,
): Like<Tree, ParamSpec> {
  if (!isTied) return embedding?.spec ?? {};
  const isOneChunk = embedding !== null && head !== null;
  const tie = isOneChunk ? { gradientCount: 2 } : { isTiedAcrossStages: true };
  if (embedding !== null) {
    const spec = embedding.spec as Like<TokenParams, ParamSpec>;
    return { ...spec, token: { ...spec.token, ...tie } };
  }
  return head === null ? {} : { token: { ...head.spec.table, ...tie } };
}

/** h, stored like activations. Consumes h. */
function castActivations(h: Placed<Outside>, storage: FloatStorage = "fp32"): Placed<Outside> {
  if (storage === "fp32") return h;
  const { y } = call(convert, { x: h }, { storage });
  h.dispose();
  return claim(y);
}

/** The head's own parameters, or the tied token embedding. */
const headParams = ({ embedding, head }: TransformerParams): LmHeadParams =>
  "table" in head ? head : { table: (embedding as TokenParams).token };

const headSink = ({ embedding, head }: GradientSink<TransformerParams>) =>
  "table" in head ? head : { table: (embedding as GradientSink<TokenParams>).token };

const modelHead = (head: LmHead<LmHeadParams>): ModelHead<TransformerParams> => ({
  loss: (params, y, targets) => head.loss(headParams(params), y, targets),
  lossAndGradient: (params, y, targets, sink) =>
    head.lossAndGradient(headParams(params), y, targets, headSink(sink)),
  logits: (params, y) => head.logits(headParams(params), y),
});
