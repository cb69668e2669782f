// Cross-entropy over a vocabulary that is sharded over ranks, a chunk of positions at a time. Ranks exchange three
// numbers per position, never logits.

import {
  add,
  exp,
  log,
  max,
  mul,
  reshape,
  slice,
  sub,
  sum,
  tidy,
  unstack,
  type Tensor,
} from "@tensorflow/tfjs-core";
import type { ProcessGroup } from "@tessera/collectives";
import {
  addWeightGradient,
  call,
  convert,
  product,
  put,
  sumRows,
  vocabularySlice,
  vocabularySliceGradient,
  weightGradient,
} from "@tessera/kernels";
import { MAX_SLICE_LOGIT_BYTES, storageOf } from "@tessera/kernels/memory";
import type { Targets } from "@tessera/layers/parallel";
import { accumulateGradient } from "@tessera/params";
import { claim, type Placed } from "@tessera/params/placement";

/** All positions of a batch, and this rank's shard of the vocabulary. */
export interface VocabularyShard {
  readonly group: ProcessGroup;
  /** The id of the shard's first token. */
  readonly firstToken: number;
  readonly x: Placed<"replicated">; // [batch, time, width]
  readonly table: Tensor; // [local tokens, width]
  readonly bias: Tensor | undefined; // [local tokens]
  readonly targets: Targets;
  /** Whether the table's gradient is not needed. Default: false. */
  readonly isFrozen?: boolean;
  /** Bytes of a chunk's logits at most. Default: 64 MiB. */
  readonly logitBytes?: number;
}

/** Consecutive positions. */
interface Chunk {
  readonly first: number;
  readonly x: Tensor; // [count, width]
  readonly targets: Tensor; // [count]
  readonly weights: Tensor; // [count]
}

/** Calls `compute` for each chunk in order. Returns the sum of the losses. */
function sumOverChunks(
  { x, table, targets, logitBytes = MAX_SLICE_LOGIT_BYTES }: VocabularyShard,
  compute: (chunk: Chunk) => Placed<"invariant">,
): Placed<"invariant"> {
  const [rows, width] = table.shape as [number, number];
  const positions = targets.ids.size;
  const chunks = Math.ceil(positions / Math.max(1, Math.floor(logitBytes / (4 * rows))));
  const chunkSize = Math.ceil(positions / chunks);
  let total: Tensor | null = null;
  for (let first = 0; first < positions; first += chunkSize) {
    const count = Math.min(chunkSize, positions - first);
    const sliceOf = (all: Tensor): Tensor => slice(reshape(all, [positions]), [first], [count]);
    const chunk = tidy(() => ({
      x: slice(reshape(x, [positions, width]), [first, 0], [count, width]),
      targets: sliceOf(targets.ids),
      weights: sliceOf(targets.weights),
    }));
    const loss = compute({ first, ...chunk });
    for (const tensor of Object.values(chunk)) tensor.dispose();
    total = addTerm(total, loss);
  }
  return claim(total!);
}

/**
 * The loss of a chunk; exponentials of this rank's logits `exps` [count, local tokens]; and `factors` [count], by which
 * they are multiplied to become weight x softmax.
 */
function computeSoftmax(
  { group, table, bias, firstToken }: VocabularyShard,
  { x, targets, weights }: Chunk,
) {
  const { exps, stats } = call(vocabularySlice, { x, table, targets, bias }, { firstToken });
  const allStats = group.allGather(stats, 1).wait(); // [3, ranks x count]
  const { loss, factors } = tidy(() => {
    const byRank = reshape(allStats, [3, group.size, -1]);
    const [rowMaxes, sumExps, targetLogits] = unstack(byRank) as [Tensor, Tensor, Tensor];
    const rowMax: Tensor = max(rowMaxes, 0);
    const sumExp: Tensor = sum(mul(sumExps, exp(sub(rowMaxes, rowMax))), 0);
    const losses = sub(add(rowMax, log(sumExp)), sum(targetLogits, 0)); // in nats
    const localRowMax = unstack(stats)[0]!;
    return {
      loss: claim<"invariant">(sum(mul(weights, losses))),
      factors: mul<Tensor>(weights, exp(sub(sub(localRowMax, rowMax), log(sumExp)))),
    };
  });
  stats.dispose();
  allStats.dispose();
  return { exps, loss, factors };
}

/** The weighted sum of the losses of all positions, in nats: a scalar, equal on all ranks. */
export const computeLoss = (shard: VocabularyShard): Placed<"invariant"> =>
  sumOverChunks(shard, (chunk) => {
    const { exps, loss, factors } = computeSoftmax(shard, chunk);
    exps.dispose();
    factors.dispose();
    return loss;
  });

/** The loss, and the gradients with respect to this rank's shard and x. */
export interface VocabularyShardGradients {
  readonly loss: Placed<"invariant">;
  /** [batch, time, width]: this rank's term of a sum over ranks. */
  readonly dx: Placed<"partial">;
  /** Computes the rest of the table's gradient [local tokens, width]; null where it is frozen. Called once. */
  readonly dTable: (() => Tensor) | null;
  /** [local tokens]; null without a bias. */
  readonly dBias: Tensor | null;
}

/** The loss as `computeLoss` has it, and its gradients. The caller owns them. */
export function computeLossAndGradients(shard: VocabularyShard): VocabularyShardGradients {
  const { x, table, bias, firstToken, isFrozen = false } = shard;
  const storage = storageOf(x) === "bf16" ? "bf16" : "fp32";
  // Rounded once, not for each chunk.
  const rounded = storage === "bf16" ? call(convert, { x: table }, { storage }).y : table.clone();
  const tableGradient = createTableGradient();
  // A buffer with the storage of x; chunks overwrite all of it.
  let dx = add<Tensor>(x, 0);
  let dBias: Tensor | null = null;
  const loss = sumOverChunks(shard, (chunk) => {
    tableGradient.flush();
    const { exps, loss, factors } = computeSoftmax({ ...shard, table: rounded }, chunk);
    const { targets, weights } = chunk;
    const attributes = { firstToken, storage } as const;
    const inputs = { exps, factors, targets, weights };
    const { dLogits } = call(vocabularySliceGradient, inputs, attributes);
    exps.dispose();
    factors.dispose();
    const part = call(product, { x: dLogits, weight: rounded }, { transpose: false }).y;
    dx = call(put, { whole: dx, part }, { first: chunk.first * table.shape[1]! }).total;
    part.dispose();
    if (bias) dBias = addTerm(dBias, call(sumRows, { dy: dLogits }, {}).dBias);
    if (isFrozen) dLogits.dispose();
    else tableGradient.add(dLogits, chunk.x.clone());
    return loss;
  });
  rounded.dispose();
  return { loss, dx: claim(dx), dTable: isFrozen ? null : tableGradient.flush, dBias };
}

/** sum + term. Consumes both. */
const addTerm = (sum: Tensor | null, term: Tensor): Tensor =>
  sum === null ? term : accumulateGradient(sum, term);

/** A sum of x^T dy, whose last term is deferred until `flush`. */
function createTableGradient() {
  let total: Tensor | null = null;
  let deferred: { readonly x: Tensor; readonly dy: Tensor } | null = null;
  return {
    /** Adds x^T dy. Consumes both. */
    add: (x: Tensor, dy: Tensor): void => {
      deferred = { x, dy };
    },
    flush: (): Tensor => {
      if (deferred !== null) {
        total =
          total === null
            ? call(weightGradient, deferred, {}).dWeight
            : call(addWeightGradient, { sum: total, ...deferred }, {}).total;
        deferred.x.dispose();
        deferred.dy.dispose();
        deferred = null;
      }
      return total!;
    },
  };
}
