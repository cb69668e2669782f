// One rank's slice of a head whose vocabulary several ranks share: the logits of some positions by the
// rows of the table that the rank holds. Ranks tell each other three numbers per position, of which
// everyone makes the loss; then each finds the gradient of its logits.

import {
  add,
  exp,
  max,
  matMul,
  mul,
  oneHot,
  reshape,
  scalar,
  stack,
  sub,
  sum,
  transpose,
  type Tensor,
} from "@tensorflow/tfjs-core";
import { convert, type FloatStorage } from "./convert.js";
import { expectShape, kernel } from "./kernel.js";

/** The token that the table's first row is of. */
type FirstToken = Readonly<{ firstToken: number }>;

/** [positions, rows of the table]: one where a position's target is; zeros where another rank has it. */
const hotOf = (targets: Tensor, rows: number, { firstToken }: FirstToken): Tensor =>
  oneHot(sub<Tensor>(targets, scalar(firstToken, "int32")), rows);

/**
 * exps [N, V] = e^(logit - most), with logits = x table^T + bias; `figures` [3, N]: the most of each
 * position's logits, the sum of its exps, and the logit of its target, 0 where it is not in this slice.
 * x [N, C], table [V, C], targets [N] (int32), bias [V], or [0] for none.
 */
export const vocabularySlice = kernel<
  "x" | "table" | "targets" | "bias",
  "exps" | "figures",
  FirstToken
>({
  name: "TesseraVocabularySlice",
  inputs: ["x", "table", "targets", "bias"],
  outputs: ["exps", "figures"],
  shapes({ x, table, targets, bias }) {
    const [positions, rows] = [targets[0]!, table[0]!];
    expectShape("vocabularySlice", "x", x, [positions, table[1]!]);
    if (bias[0] !== 0) expectShape("vocabularySlice", "bias", bias, [rows]);
    return { exps: [positions, rows], figures: [3, positions] };
  },
  composite({ x, table, targets, bias }, attributes) {
    const products: Tensor = matMul(x, transpose(table));
    const logits = bias.size === 0 ? products : add<Tensor>(products, bias);
    const most = max(logits, 1, true);
    const exps = exp<Tensor>(sub(logits, most));
    const known = sum(mul(logits, hotOf(targets, table.shape[0]!, attributes)), 1);
    return { exps, figures: stack([reshape(most, [-1]), sum(exps, 1), known]) };
  },
});

/**
 * dLogits [N, V] = factor exps - weight oneHot(target): exps [N, V], factors, targets (int32) and
 * weights [N]. Its storage is that of what it will be multiplied with.
 */
export const vocabularySliceGradient = kernel<
  "exps" | "factors" | "targets" | "weights",
  "dLogits",
  FirstToken & { storage: FloatStorage }
>({
  name: "TesseraVocabularySliceGradient",
  inputs: ["exps", "factors", "targets", "weights"],
  outputs: ["dLogits"],
  shapes({ exps, factors, targets, weights }) {
    const positions = [exps[0]!];
    expectShape("vocabularySliceGradient", "factors", factors, positions);
    expectShape("vocabularySliceGradient", "targets", targets, positions);
    expectShape("vocabularySliceGradient", "weights", weights, positions);
    return { dLogits: exps };
  },
  composite({ exps, factors, targets, weights }, { firstToken, storage }) {
    const column = (values: Tensor): Tensor => reshape(values, [-1, 1]);
    const hot = hotOf(targets, exps.shape[1]!, { firstToken });
    const x = sub<Tensor>(mul(exps, column(factors)), mul(hot, column(weights)));
    return { dLogits: convert.composite({ x }, { storage }).y };
  },
});
