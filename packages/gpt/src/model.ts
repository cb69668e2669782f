// A GPT: ids become activations, blocks transform them, a head makes logits or a loss. Written
// once; a region says what is split, and the tree of parameters what each rank holds.

import type { Tensor } from "@tensorflow/tfjs-core";
import { call, convert, type FloatStorage } from "@tessera/kernels";
import {
  bare,
  disposeTree,
  dropout,
  embedding,
  inside,
  sequence,
  whole,
  type EmbeddingParams,
  type Head,
  type Like,
  type Nothing,
  type ParamSpec,
  type Region,
  type Sink,
  type Step,
  type Targets,
  type VocabularyParams,
  type Wrapping,
} from "@tessera/layers";
import { block, normOf, type BlockParams, type NormParams } from "./block.js";
import type { GptConfig } from "./config.js";

/** The parameters of a whole GPT. `head` is empty where the token embedding makes the logits. */
export type GptParams = {
  readonly embedding: EmbeddingParams;
  readonly drop: Nothing;
  readonly blocks: Readonly<Record<string, BlockParams>>;
  readonly norm: NormParams;
  readonly head: Nothing | VocabularyParams;
};

/** Some rows of a step. */
export interface Batch {
  /** [batch, time] (int32). */
  readonly ids: Tensor;
  readonly targets: Targets;
}

export interface Gpt {
  readonly config: GptConfig;
  readonly spec: Like<GptParams, ParamSpec>;
  /** The loss of `batch` in nats, a scalar. */
  loss(params: GptParams, batch: Batch, at: Step): Tensor;
  /** The same, and every parameter's gradient to `sink`, last layers first. */
  lossAndGradients(params: GptParams, batch: Batch, sink: Sink<GptParams>, at: Step): Tensor;
  /** ids [batch, time] -> activations [batch, time, hidden] before the head. */
  activations(params: GptParams, ids: Tensor, at: Step): Tensor;
  /** Activations [batch, time, hidden] -> logits [batch, time, vocabulary]. */
  logits(params: GptParams, x: Tensor): Tensor;
}

function body(config: GptConfig, region: Region, around: Wrapping) {
  const names = Array.from({ length: config.layerCount }, (_, i) => String(i));
  const one = block(config, region);
  return sequence({
    drop: dropout(config.dropout.embedding, region.outside),
    blocks: around.stack(Object.fromEntries(names.map((name) => [name, one]))),
    norm: around.layer(normOf(config)),
  });
}

/** The head's parameters: a table of its own, or the token embedding. */
const tableOf = ({ embedding: { token }, head }: GptParams): VocabularyParams =>
  "table" in head ? head : { table: token };

const tableSinkOf = ({ embedding: { token }, head }: Sink<GptParams>): Sink<VocabularyParams> =>
  "table" in head ? head : { table: token };

export interface GptOptions {
  /** What happens around the stretches that ranks share. */
  readonly region?: Region;
  /**
   * How activations are stored. Products round weights to the storage of what they multiply, so in
   * `bf16` and `fp16` the parameters, which stay fp32, are the masters; their gradients are fp32 too.
   */
  readonly storage?: FloatStorage;
  /** What a strategy puts around the model's parts. */
  readonly around?: Wrapping;
}

export function gpt(config: GptConfig, options: GptOptions = {}): Gpt {
  const { region = whole, storage = "fp32", around = bare } = options;
  const { vocabularySize: vocabulary, hiddenSize: width, initDeviation: deviation } = config;
  const positions = config.positions.kind === "learned" ? config.maxPositions : null;
  const source = around.source(embedding({ vocabulary, positions, width, deviation }, region));
  const layers = body(config, region, around);
  const head: Head<VocabularyParams> = around.head(
    region.head({ vocabulary, width, deviation, bias: config.biases.head }),
  );

  /** Takes ownership of x. */
  const stored = (x: Tensor): Tensor => {
    if (storage === "fp32") return x;
    const { y } = call(convert, { x }, { storage });
    x.dispose();
    return y;
  };

  /** Activations, and what backward needs of the way there. */
  const forward = (params: GptParams, ids: Tensor, at: Step) => {
    const [wide, fromSource] = source.forward(params.embedding, ids, inside(at, "embedding"));
    const x = stored(wide);
    const [y, fromBody] = layers.forward(params, x, at);
    x.dispose();
    return { y, fromSource, fromBody };
  };

  const activations = (params: GptParams, ids: Tensor, at: Step): Tensor => {
    const { y, fromSource, fromBody } = forward(params, ids, at);
    disposeTree(fromSource);
    disposeTree(fromBody);
    return y;
  };

  return {
    config,
    spec: {
      embedding: source.spec,
      ...layers.spec,
      head: config.tiedEmbeddings ? {} : head.spec,
    },
    loss(params, { ids, targets }, at) {
      const y = activations(params, ids, at);
      const loss = head.loss(tableOf(params), y, targets);
      y.dispose();
      return loss;
    },
    lossAndGradients(params, { ids, targets }, sink, at) {
      const { y, fromSource, fromBody } = forward(params, ids, at);
      const ofHead = head.lossAndGradient(tableOf(params), y, targets, tableSinkOf(sink));
      y.dispose();
      const dy = layers.backward(params, fromBody, ofHead.dx, sink, at);
      ofHead.dx.dispose();
      source.backward(params.embedding, fromSource, dy, sink.embedding, inside(at, "embedding"));
      dy.dispose();
      return ofHead.loss;
    },
    activations,
    logits: (params, x) => head.logits(tableOf(params), x),
  };
}
