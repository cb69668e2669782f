// One rank's slice of a head whose vocabulary several ranks share: the logits of some positions by the
// rows of the table that the rank holds. Ranks tell each other three numbers per position, of which
// everyone makes the loss; then each finds its gradients.

import {
  add,
  exp,
  max,
  matMul,
  mul,
  oneHot,
  reshape,
  scalar,
  slice,
  stack,
  sub,
  sum,
  transpose,
  type Tensor,
} from "@tensorflow/tfjs-core";
import { asRows, expectShape, kernel, sizeOf, type Shape } from "./kernel.js";
import { put } from "./put.js";

export type SliceAttributes = Readonly<{
  /** The positions that a call is about: `count` of x's rows, from `first` on. */
  first: number;
  count: number;
  /** The token that the table's first row is of. */
  firstToken: number;
}>;

function checkShapes(name: string, at: Record<"x" | "table" | "targets", Shape>) {
  expectShape(name, "x", at.x, [...at.targets, at.table[1]!]);
}

const rowsOf = (x: Tensor, { first, count }: SliceAttributes): Tensor =>
  slice(asRows(x), [first, 0], [count, x.shape.at(-1)!]);

/** [count, rows of the table]: one where a position's target is; zeros where another rank has it. */
function hotOf(targets: Tensor, rows: number, { first, count, firstToken }: SliceAttributes) {
  const ids = slice(reshape(targets, [-1]), [first], [count]);
  return oneHot(sub<Tensor>(ids, scalar(firstToken, "int32")), rows);
}

/**
 * exps [count, V] = e^(logit - most), with logits = x table^T; `figures` [3, count]: the most of each
 * position's logits, the sum of its exps, and the logit of its target, 0 where it is not in this slice.
 * x [..., C], table [V, C], targets [...] (int32).
 */
export const vocabularySlice = kernel<
  "x" | "table" | "targets",
  "exps" | "figures",
  SliceAttributes
>({
  name: "TesseraVocabularySlice",
  inputs: ["x", "table", "targets"],
  outputs: ["exps", "figures"],
  shapes({ x, table, targets }, { count }) {
    checkShapes("vocabularySlice", { x, table, targets });
    return { exps: [count, table[0]!], figures: [3, count] };
  },
  composite({ x, table, targets }, attributes) {
    const logits: Tensor = matMul(rowsOf(x, attributes), transpose(table));
    const most = max(logits, 1, true);
    const exps = exp<Tensor>(sub(logits, most));
    const known = sum(mul(logits, hotOf(targets, table.shape[0]!, attributes)), 1);
    return { exps, figures: stack([reshape(most, [-1]), sum(exps, 1), known]) };
  },
});

type GradientInputs = "exps" | "factors" | "x" | "table" | "targets" | "weights" | "dx" | "dTable";

/**
 * From dLogits [count, V] = factor exps - weight oneHot(target), with factors [count] and weights [...]:
 * its positions of dx, which is this rank's part of a sum, and what they add to dTable. In place where
 * the backend can.
 */
export const vocabularySliceGradient = kernel<GradientInputs, "dx" | "dTable", SliceAttributes>({
  name: "TesseraVocabularySliceGradient",
  inputs: ["exps", "factors", "x", "table", "targets", "weights", "dx", "dTable"],
  outputs: ["dx", "dTable"],
  consumes: ["exps", "dx", "dTable"],
  shapes({ exps, factors, x, table, targets, weights, dx, dTable }, { count }) {
    const name = "vocabularySliceGradient";
    checkShapes(name, { x, table, targets });
    expectShape(name, "weights", weights, targets);
    expectShape(name, "exps", exps, [count, table[0]!]);
    expectShape(name, "factors", factors, [count]);
    expectShape(name, "dx", dx, x);
    expectShape(name, "dTable", dTable, table);
    return { dx, dTable };
  },
  composite({ exps, factors, x, table, targets, weights, dx, dTable }, attributes) {
    const { first, count } = attributes;
    const hot = hotOf(targets, table.shape[0]!, attributes);
    const column = (values: Tensor): Tensor => reshape(values, [count, 1]);
    const weight = column(slice(reshape(weights, [sizeOf(weights.shape)]), [first], [count]));
    const dLogits = sub<Tensor>(mul(exps, column(factors)), mul(hot, weight));
    const part = matMul<Tensor>(dLogits, table);
    return {
      dx: put.composite({ whole: dx, part }, { first: first * table.shape[1]! }).total,
      dTable: add(dTable, matMul(transpose(dLogits), rowsOf(x, attributes))),
    };
  },
});
