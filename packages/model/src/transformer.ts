// Models that are an embedding, layers of one kind, a norm and a head: GPT, BERT and most others. What differs
// is given as parts; how a pipeline cuts them, and how the embedding's table is tied to the head, is written here.

import type { Tensor } from "@tensorflow/tfjs-core";
import { call, convert } from "@tessera/kernels";
import type { FloatStorage } from "@tessera/kernels/memory";
import {
  childContext,
  sequence,
  type AnyLayer,
  type Layer,
  type NoParams,
  type TokenParams,
} from "@tessera/layers";
import {
  identityWrapper,
  noTensorParallel,
  type InputEmbedding,
  type LmHead,
  type LmHeadParams,
  type TensorParallel,
} from "@tessera/layers/parallel";
import type { GradientSink, Like, ParamSpec, Tree } from "@tessera/params";
import type { Range } from "@tessera/mesh";
import type { Model, ModelChunk, ModelHead, ModelOptions } from "./model.js";
import { stackBlocks, type Recomputation } from "./recomputation.js";

/**
 * The parameters of a transformer, or of a chunk of one, which lacks what it does not use. Blocks are named by
 * their position in the whole model. `head` is empty where the token embedding makes the logits: the last chunk
 * then has the token embedding too.
 */
export type TransformerParams = {
  readonly embedding: Tree;
  readonly drop: NoParams;
  readonly blocks: Readonly<Record<string, Tree>>;
  readonly norm: Tree;
  readonly head: LmHeadParams | NoParams;
};

/** What a transformer is made of. Parts are built for the tensor parallelism of a rank. */
export interface TransformerParts {
  embedding(tensorParallel: TensorParallel): InputEmbedding<Tree, Tree>;
  /** Dropout between embedding and first block, which has no parameters. */
  drop(tensorParallel: TensorParallel): Layer<NoParams, NoParams>;
  block(tensorParallel: TensorParallel, recompute: Recomputation | undefined): AnyLayer;
  /** Before the head. */
  norm(): AnyLayer;
  head(tensorParallel: TensorParallel): LmHead<LmHeadParams>;
  /** Whether the head's table is the embedding's, whose parameter is then called `token`. */
  readonly isTied: boolean;
}

/** A transformer's `chunk`, from its parts. */
export function transformer<P extends TransformerParams>(
  about: Omit<Model<P>, "chunk">,
  parts: TransformerParts,
): Model<P> {
  const chunk = (options: ModelOptions, layers: Range): ModelChunk<TransformerParams> => {
    const isFirst = layers.start === 0;
    const isLast = layers.start + layers.size === about.layerCount;
    return transformerChunk(parts, options, { layers, isFirst, isLast });
  };
  // Of the parameters, `TransformerParts` knows only what all transformers have.
  return { ...about, chunk } as unknown as Model<P>;
}

interface Position {
  readonly layers: Range;
  readonly isFirst: boolean;
  readonly isLast: boolean;
}

function transformerChunk(
  parts: TransformerParts,
  options: ModelOptions,
  position: Position,
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
          ? [x.clone(), {}]
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

/** What lies between embedding and head. Its parameters are the model's. */
function createBody(
  parts: TransformerParts,
  { tensorParallel = noTensorParallel, wrapper = identityWrapper, recompute }: ModelOptions,
  { layers: { start, size }, isFirst, isLast }: Position,
): Layer<TransformerParams, Tree> {
  const block = parts.block(tensorParallel, recompute);
  const names = Array.from({ length: size }, (_, i) => String(start + i));
  const layers: Record<string, AnyLayer> = {
    ...(isFirst && { drop: parts.drop(tensorParallel) }),
    blocks: stackBlocks(Object.fromEntries(names.map((name) => [name, block])), recompute, wrapper),
    ...(isLast && { norm: wrapper.layer(parts.norm()) }),
  };
  // The names of the layers are those of the parameters.
  return sequence(layers) as unknown as Layer<TransformerParams, Tree>;
}

/**
 * Embeddings of the first chunk; of the last one the table, where it is the embedding's. A tied table is used
 * twice: on one stage it gets two gradients, on two stages each has a term of the sum.
 */
function embeddingSpec(
  { isTied }: TransformerParts,
  embedding: InputEmbedding<Tree, Tree> | null,
  head: LmHead<LmHeadParams> | null,
): Like<Tree, ParamSpec> {
  if (!isTied) return embedding?.spec ?? {};
  const isBoth = embedding !== null && head !== null;
  const use = isBoth ? { gradientCount: 2 } : { isTiedAcrossStages: true };
  if (embedding !== null) {
    const spec = embedding.spec as Like<TokenParams, ParamSpec>;
    return { ...spec, token: { ...spec.token, ...use } };
  }
  return head === null ? {} : { token: { ...head.spec.table, ...use } };
}

/** h in the storage of activations. Consumes h. */
function castActivations(h: Tensor, storage: FloatStorage = "fp32"): Tensor {
  if (storage === "fp32") return h;
  const { y } = call(convert, { x: h }, { storage });
  h.dispose();
  return y;
}

/** The head's parameters: a table of its own, or the token embedding. */
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
