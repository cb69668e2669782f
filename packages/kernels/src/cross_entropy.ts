// The LM head fused with its loss: logits = x table^T (+ bias), and the negative log-likelihood of the
// targets. Loss and gradients come from one call, so that a backend can go through the tokens in chunks,
// never hold all logits, and compute them once.

import {
  add,
  logSumExp,
  matMul,
  mul,
  oneHot,
  reshape,
  softmax,
  sub,
  sum,
  transpose,
  type Tensor,
} from "@tensorflow/tfjs-core";
import {
  asRows,
  call,
  expectShape,
  kernel,
  sizeOf,
  type Named,
  type NoAttributes,
  type Shape,
} from "./kernel.js";
import { sumRows } from "./product.js";

type Inputs = "x" | "table" | "targets" | "weights";

type Given<V> = Named<Inputs, "bias", V>;

function checkShapes(name: string, { x, table, targets, weights, bias }: Given<Shape>): void {
  expectShape(name, "x", x, [...x.slice(0, -1), table[1]!]);
  expectShape(name, "targets", targets, x.slice(0, -1));
  expectShape(name, "weights", weights, targets);
  if (bias !== undefined) expectShape(name, "bias", bias, [table[0]!]);
}

function logitsOf({ x, table, bias }: Given<Tensor>): Tensor {
  const logits = matMul(asRows(x), transpose(table));
  return bias === undefined ? logits : add(logits, bias);
}

/** The sum over tokens of weight x (log sum exp(logits) - logit of the target). */
function lossOf(logits: Tensor, { targets, weights }: Given<Tensor>): Tensor {
  const [tokens, vocabulary] = logits.shape as [number, number];
  const hot = oneHot(reshape(targets, [tokens]), vocabulary);
  const nats = sub(logSumExp(logits, 1), sum(mul(logits, hot), 1));
  return sum(mul(nats, reshape(weights, [tokens])));
}

/** The loss, and its gradient: dLogits = weight (softmax(logits) - oneHot(target)). */
function lossAndGradient(inputs: Given<Tensor>) {
  const { table, targets, weights } = inputs;
  const tokens = sizeOf(targets.shape);
  const logits = logitsOf(inputs);
  const hot = oneHot(reshape(targets, [tokens]), table.shape[0]);
  const dLogits: Tensor = mul(sub(softmax(logits), hot), reshape(weights, [tokens, 1]));
  return { loss: lossOf(logits, inputs), dLogits };
}

const inputGradient = (dLogits: Tensor, { x, table }: Given<Tensor>): Tensor =>
  reshape(matMul(dLogits, table), x.shape);

/** The loss, and its gradients. */
function gradientsOf(inputs: Given<Tensor>) {
  const { x, bias } = inputs;
  const { loss, dLogits } = lossAndGradient(inputs);
  return {
    loss,
    dx: inputGradient(dLogits, inputs),
    dTable: matMul<Tensor>(transpose(dLogits), asRows(x)),
    ...(bias && { dBias: call(sumRows, { dy: dLogits }, {}).dBias }),
  };
}

/**
 * The loss [] in nats, a sum over tokens: x [..., C], table [V, C], targets [...] (int32),
 * weights [...], which say how much each token counts; bias [V] is added to every token's logits.
 */
export const crossEntropy = kernel<Inputs, "loss", NoAttributes, "bias">({
  name: "TesseraCrossEntropy",
  inputs: ["x", "table", "targets", "weights"],
  optionalInputs: ["bias"],
  outputs: ["loss"],
  shapes(inputs) {
    checkShapes("crossEntropy", inputs);
    return { loss: [] };
  },
  composite: (inputs) => ({ loss: lossOf(logitsOf(inputs), inputs) }),
});

const MIB = 2 ** 20;

/** Sizes of an LM head's operands: x [tokens, width], table [vocabulary, width]. */
export interface HeadSizes {
  /** Batch times time. */
  readonly tokens: number;
  /** The hidden size. */
  readonly width: number;
  readonly vocabulary: number;
  /** Of an activation. */
  readonly bytesPerElement: number;
}

/**
 * Bytes for the exponentials that a backend saves between the loss and the table's gradient. Together with
 * that gradient at most 300 MiB, but at least 100 MiB: with less, the table is read for every few tokens.
 */
export const exponentialBytes = ({
  width,
  vocabulary,
}: Pick<HeadSizes, "width" | "vocabulary">): number =>
  Math.max(300 * MIB - 4 * vocabulary * width, 100 * MIB);

/**
 * Bytes that `crossEntropyGradient` needs besides its inputs and outputs on a backend that goes through the
 * tokens in chunks: the exponentials of a chunk, what they are multiplied with, and sums of one thread.
 */
export function crossEntropyWorkspaceBytes(sizes: HeadSizes): number {
  const { tokens, width, vocabulary, bytesPerElement } = sizes;
  const maxTokens = Math.max(
    Math.floor(exponentialBytes(sizes) / (bytesPerElement * vocabulary)),
    1,
  );
  const chunk = Math.ceil(tokens / Math.ceil(tokens / maxTokens));
  return chunk * (bytesPerElement * vocabulary + 2 * (bytesPerElement + 4) * width);
}

/**
 * The same loss with its gradients; `dBias` where there is a bias. `exponentialBytes`: the limit for saved
 * exponentials, for backends that save them.
 */
export const crossEntropyGradient = kernel<
  Inputs,
  "loss" | "dx" | "dTable",
  { exponentialBytes: number },
  "bias",
  "dBias"
>({
  name: "TesseraCrossEntropyGradient",
  inputs: ["x", "table", "targets", "weights"],
  optionalInputs: ["bias"],
  outputs: ["loss", "dx", "dTable"],
  optionalOutputs: ["dBias"],
  shapes(inputs) {
    checkShapes("crossEntropyGradient", inputs);
    return { loss: [], dx: inputs.x, dTable: inputs.table, dBias: inputs.bias };
  },
  composite: gradientsOf,
});

/** The same loss with the gradient of x alone, for a table that is not trained. */
export const crossEntropyInputGradient = kernel<
  Inputs,
  "loss" | "dx",
  { exponentialBytes: number },
  "bias"
>({
  name: "TesseraCrossEntropyInputGradient",
  inputs: ["x", "table", "targets", "weights"],
  optionalInputs: ["bias"],
  outputs: ["loss", "dx"],
  shapes(inputs) {
    checkShapes("crossEntropyInputGradient", inputs);
    return { loss: [], dx: inputs.x };
  },
  composite(inputs) {
    const { loss, dLogits } = lossAndGradient(inputs);
    return { loss, dx: inputGradient(dLogits, inputs) };
  },
});
