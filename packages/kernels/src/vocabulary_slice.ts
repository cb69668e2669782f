// One rank's slice of an LM head that is sharded over the vocabulary: the logits of some positions for the
// table rows that the rank holds. Ranks exchange three numbers per position, compute the loss from them,
// and then each computes the gradient of its own logits.

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
import { convert } from "./convert.js";
import { expectShape, kernel } from "./kernel.js";
import type { FloatStorage } from "./storage.js";

/** Ranks that share the vocabulary compute logits in chunks of positions that take no more bytes. */
export const MAX_SLICE_LOGIT_BYTES = 64 * 2 ** 20;

/** The token id of the table's first row. */
type FirstToken = Readonly<{ firstToken: number }>;

/** oneHot(targets) [N, V] over the table's rows; a row of zeros where another rank has the target. */
const localOneHot = (targets: Tensor, rows: number, { firstToken }: FirstToken): Tensor =>
  oneHot(sub<Tensor>(targets, scalar(firstToken, "int32")), rows);

/**
 * exps [N, V] = exp(logit - row max), with logits = x table^T (+ bias); `stats` [3, N]: row max, sum of
 * exps, and target logit, 0 where the target is not in this slice. x [N, C], table [V, C],
 * targets [N] (int32), bias [V].
 */
export const vocabularySlice = kernel<
  "x" | "table" | "targets",
  "exps" | "stats",
  FirstToken,
  "bias"
>({
  name: "TesseraVocabularySlice",
  inputs: ["x", "table", "targets"],
  optionalInputs: ["bias"],
  outputs: ["exps", "stats"],
  shapes({ x, table, targets, bias }) {
    const [positions, rows] = [targets[0]!, table[0]!];
    expectShape("vocabularySlice", "x", x, [positions, table[1]!]);
    if (bias !== undefined) expectShape("vocabularySlice", "bias", bias, [rows]);
    return { exps: [positions, rows], stats: [3, positions] };
  },
  composite({ x, table, targets, bias }, attributes) {
    const products: Tensor = matMul(x, transpose(table));
    const logits = bias === undefined ? products : add<Tensor>(products, bias);
    const rowMax = max(logits, 1, true);
    const exps = exp<Tensor>(sub(logits, rowMax));
    const targetLogit = sum(mul(logits, localOneHot(targets, table.shape[0], attributes)), 1);
    return { exps, stats: stack([reshape(rowMax, [-1]), sum(exps, 1), targetLogit]) };
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
    const hot = localOneHot(targets, exps.shape[1]!, { firstToken });
    const x = sub<Tensor>(mul(exps, column(factors)), mul(hot, column(weights)));
    return { dLogits: convert.composite({ x }, { storage }).y };
  },
});
