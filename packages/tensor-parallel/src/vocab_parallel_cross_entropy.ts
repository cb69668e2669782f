// Loss and gradients of a head whose vocabulary ranks share, a chunk of positions at a time. What ranks
// tell each other of a chunk are three numbers per position, never logits.

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

/** All positions of a batch, and what this rank holds of the vocabulary. */
export interface VocabularyShard {
  readonly group: ProcessGroup;
  readonly firstToken: number;
  readonly x: Tensor; // [batch, time, width]
  readonly table: Tensor; // [held tokens, width]
  readonly bias: Tensor | undefined; // [held tokens]
  readonly targets: Targets;
  /** How much memory the logits of a chunk may take: 64 MiB, unless it is said. */
  readonly logitBytes?: number;
}

/** Some positions in a row. */
interface Chunk {
  readonly first: number;
  readonly x: Tensor; // [count, width]
  readonly targets: Tensor; // [count]
  readonly weights: Tensor; // [count]
}

/** Calls `use` with one chunk after the other. Returns the sum of the losses that it returns. */
function sumOverChunks(
  { x, table, targets, logitBytes = MAX_SLICE_LOGIT_BYTES }: VocabularyShard,
  use: (chunk: Chunk) => Tensor,
): Tensor {
  const [rows, width] = table.shape as [number, number];
  const positions = targets.ids.size;
  const chunks = Math.ceil(positions / Math.max(1, Math.floor(logitBytes / (4 * rows))));
  const each = Math.ceil(positions / chunks);
  let total: Tensor | null = null;
  for (let first = 0; first < positions; first += each) {
    const count = Math.min(each, positions - first);
    const taken = (of: Tensor): Tensor => slice(reshape(of, [positions]), [first], [count]);
    const chunk = tidy(() => ({
      x: slice(reshape(x, [positions, width]), [first, 0], [count, width]),
      targets: taken(targets.ids),
      weights: taken(targets.weights),
    }));
    const loss = use({ first, ...chunk });
    for (const spent of Object.values(chunk)) spent.dispose();
    total = total === null ? loss : accumulateGradient(total, loss);
  }
  return total!;
}

/**
 * The loss of a chunk; this rank's exps [count, held tokens]; and by what to multiply them for
 * weight x softmax, [count].
 */
function probabilities(
  { group, table, bias, firstToken }: VocabularyShard,
  { x, targets, weights }: Chunk,
) {
  const { exps, stats } = call(vocabularySlice, { x, table, targets, bias }, { firstToken });
  const everyones = group.allGather(stats, 1).wait(); // [3, ranks x count]
  const { loss, factors } = tidy(() => {
    const byRank = reshape(everyones, [3, group.size, -1]);
    const [rowMaxes, sums, targetLogits] = unstack(byRank) as [Tensor, Tensor, Tensor];
    const rowMax: Tensor = max(rowMaxes, 0);
    const total: Tensor = sum(mul(sums, exp(sub(rowMaxes, rowMax))), 0);
    const nats = sub(add(rowMax, log(total)), sum(targetLogits, 0));
    const own = unstack(stats)[0]!;
    return {
      loss: sum<Tensor>(mul(weights, nats)),
      factors: mul<Tensor>(weights, exp(sub(sub(own, rowMax), log(total)))),
    };
  });
  stats.dispose();
  everyones.dispose();
  return { exps, loss, factors };
}

export const computeLoss = (slices: VocabularyShard): Tensor =>
  sumOverChunks(slices, (chunk) => {
    const { exps, loss, factors } = probabilities(slices, chunk);
    exps.dispose();
    factors.dispose();
    return loss;
  });

export interface VocabularyShardGradients {
  readonly loss: Tensor;
  /** [batch, time, width]: this rank's part of a sum. */
  readonly dx: Tensor;
  /** The rest of the table's gradient is computed by this call. */
  readonly dTable: () => Tensor;
  /** Null where there is no bias. */
  readonly dBias: Tensor | null;
}

export function computeLossAndGradients(slices: VocabularyShard): VocabularyShardGradients {
  const { x, table, bias, firstToken } = slices;
  const storage = storageOf(x) === "bf16" ? "bf16" : "fp32";
  // Rounded once, not once a chunk.
  const rounded = storage === "bf16" ? call(convert, { x: table }, { storage }).y : table.clone();
  const ofTable = sumOfProducts();
  // Chunks write over all of it: what counts is only how it is stored.
  let dx = add<Tensor>(x, 0);
  let dBias: Tensor | null = null;
  const loss = sumOverChunks(slices, (chunk) => {
    ofTable.settle();
    const { exps, loss, factors } = probabilities({ ...slices, table: rounded }, chunk);
    const { targets, weights } = chunk;
    const attributes = { firstToken, storage } as const;
    const inputs = { exps, factors, targets, weights };
    const { dLogits } = call(vocabularySliceGradient, inputs, attributes);
    exps.dispose();
    factors.dispose();
    const part = call(product, { x: dLogits, weight: rounded }, { transpose: false }).y;
    dx = call(put, { whole: dx, part }, { first: chunk.first * table.shape[1]! }).total;
    part.dispose();
    if (bias) dBias = addedTo(dBias, call(sumRows, { dy: dLogits }, {}).dBias);
    ofTable.add(dLogits, chunk.x.clone());
    return loss;
  });
  rounded.dispose();
  return { loss, dx, dTable: ofTable.settle, dBias };
}

const addedTo = (sum: Tensor | null, more: Tensor): Tensor =>
  sum === null ? more : accumulateGradient(sum, more);

/** A sum of x^T dy, whose last summand is computed by `flush`. */
function sumOfProducts() {
  let total: Tensor | null = null;
  let deferred: { readonly x: Tensor; readonly dy: Tensor } | null = null;
  return {
    /** Takes ownership of both. */
    add: (x: Tensor, dy: Tensor): void => {
      deferred = { x, dy };
    },
    settle: (): Tensor => {
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
