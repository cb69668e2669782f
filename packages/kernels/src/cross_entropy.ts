// The end of a language model: logits = x table^T, and the negative log likelihood of the targets.
// Loss and gradients come from one call, so that a backend may go through the tokens in chunks and
// never hold all logits, and need not compute them twice.

import {
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

type Inputs = "x" | "table" | "targets" | "weights";

function checkShapes(name: string, { x, table, targets, weights }: Record<Inputs, Shape>): void {
  expectShape(name, "x", x, [...x.slice(0, -1), table[1]!]);
  expectShape(name, "targets", targets, x.slice(0, -1));
  expectShape(name, "weights", weights, targets);
}

const logitsOf = ({ x, table }: Record<Inputs, Tensor>): Tensor =>
  matMul(asRows(x), transpose(table));

/** The sum over tokens of weight x (log sum exp(logits) - logit of the target). */
function lossOf(logits: Tensor, { targets, weights }: Record<Inputs, Tensor>): Tensor {
  const [tokens, vocabulary] = logits.shape as [number, number];
  const hot = oneHot(reshape(targets, [tokens]), vocabulary);
  const nats = sub(logSumExp(logits, 1), sum(mul(logits, hot), 1));
  return sum(mul(nats, reshape(weights, [tokens])));
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

/** The same loss with its gradients: dLogits = weight (softmax(logits) - oneHot(target)). */
export const crossEntropyGradient = kernel<Inputs, "loss" | "dx" | "dTable", NoAttributes>({
  name: "TesseraCrossEntropyGradient",
  inputs: ["x", "table", "targets", "weights"],
  outputs: ["loss", "dx", "dTable"],
  shapes(inputs) {
    checkShapes("crossEntropyGradient", inputs);
    return { loss: [], dx: inputs.x, dTable: inputs.table };
  },
  composite(inputs) {
    const { x, table, targets, weights } = inputs;
    const tokens = sizeOf(targets.shape);
    const logits = logitsOf(inputs);
    const hot = oneHot(reshape(targets, [tokens]), table.shape[0]);
    const dLogits = mul(sub(softmax(logits), hot), reshape(weights, [tokens, 1]));
    return {
      loss: lossOf(logits, inputs),
      dx: reshape(matMul(dLogits, table), x.shape),
      dTable: matMul(transpose(dLogits), asRows(x)),
    };
  },
});
