// The end of a language model: logits = x table^T, perhaps with a bias, and the negative log likelihood
// of the targets. Loss and gradients come from one call, so that a backend may go through the tokens in
// chunks and never hold all logits, and need not compute them twice.

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
import { asRows, expectShape, kernel, sizeOf, type NoAttributes, type Shape } from "./kernel.js";
import { sumRows } from "./product.js";

type Inputs = "x" | "table" | "targets" | "weights";

/** Values by input name, with or without a bias [vocabulary] that is added to every token's logits. */
type Given<V> = Readonly<Record<Inputs, V>> & { readonly bias?: V };

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

/** The loss, and its gradients: dLogits = weight (softmax(logits) - oneHot(target)). */
function gradientsOf(inputs: Given<Tensor>) {
  const { x, table, targets, weights } = inputs;
  const tokens = sizeOf(targets.shape);
  const logits = logitsOf(inputs);
  const hot = oneHot(reshape(targets, [tokens]), table.shape[0]);
  const dLogits: Tensor = mul(sub(softmax(logits), hot), reshape(weights, [tokens, 1]));
  return {
    loss: lossOf(logits, inputs),
    dx: reshape(matMul(dLogits, table), x.shape),
    dTable: matMul<Tensor>(transpose(dLogits), asRows(x)),
    dLogits,
  };
}

/**
 * The loss [] in nats, a sum over tokens: x [..., C], table [V, C], targets [...] (int32),
 * weights [...], which say how much each token counts.
 */
export const crossEntropy = kernel<Inputs, "loss", NoAttributes>({
  name: "TesseraCrossEntropy",
  inputs: ["x", "table", "targets", "weights"],
  outputs: ["loss"],
  shapes(inputs) {
    checkShapes("crossEntropy", inputs);
    return { loss: [] };
  },
  composite: (inputs) => ({ loss: lossOf(logitsOf(inputs), inputs) }),
});

/** The same loss with its gradients. */
export const crossEntropyGradient = kernel<Inputs, "loss" | "dx" | "dTable", NoAttributes>({
  name: "TesseraCrossEntropyGradient",
  inputs: ["x", "table", "targets", "weights"],
  outputs: ["loss", "dx", "dTable"],
  shapes(inputs) {
    checkShapes("crossEntropyGradient", inputs);
    return { loss: [], dx: inputs.x, dTable: inputs.table };
  },
  composite(inputs) {
    const { loss, dx, dTable } = gradientsOf(inputs);
    return { loss, dx, dTable };
  },
});

/** `crossEntropy` with bias [V] added to the logits. */
export const biasedCrossEntropy = kernel<Inputs | "bias", "loss", NoAttributes>({
  name: "TesseraBiasedCrossEntropy",
  inputs: ["x", "table", "targets", "weights", "bias"],
  outputs: ["loss"],
  shapes(inputs) {
    checkShapes("biasedCrossEntropy", inputs);
    return { loss: [] };
  },
  composite: (inputs) => ({ loss: lossOf(logitsOf(inputs), inputs) }),
});

/** `crossEntropyGradient` with bias [V] added to the logits. */
export const biasedCrossEntropyGradient = kernel<
  Inputs | "bias",
  "loss" | "dx" | "dTable" | "dBias",
  NoAttributes
>({
  name: "TesseraBiasedCrossEntropyGradient",
  inputs: ["x", "table", "targets", "weights", "bias"],
  outputs: ["loss", "dx", "dTable", "dBias"],
  shapes(inputs) {
    checkShapes("biasedCrossEntropyGradient", inputs);
    return { loss: [], dx: inputs.x, dTable: inputs.table, dBias: inputs.bias };
  },
  composite(inputs) {
    const { dLogits, ...made } = gradientsOf(inputs);
    return { ...made, dBias: sumRows.composite({ dy: dLogits }, {}).dBias };
  },
});
