// Divides a model's layers into the chunks of a pipeline.

import { UserError } from "@tessera/config";
import type { Range } from "@tessera/mesh";

/**
 * Equal numbers of layers; where they do not divide, the first chunks have one more.
 * @throws UserError where there are fewer layers than chunks.
 */
export function splitEvenly(layers: number, chunks: number): Range[] {
  checkEnough(layers, chunks);
  const quotient = Math.floor(layers / chunks);
  return toRanges(
    Array.from({ length: chunks }, (_, chunk) => quotient + (chunk < layers % chunks ? 1 : 0)),
  );
}

/**
 * The given number of layers for each chunk.
 * @throws UserError where they are not one positive number per chunk, or do not add up to `layers`.
 */
export function splitAsWritten(counts: readonly number[], layers: number, chunks: number): Range[] {
  const sum = counts.reduce((a, b) => a + b, 0);
  const areValid = counts.every((count) => Number.isSafeInteger(count) && count >= 1);
  if (!areValid || counts.length !== chunks || sum !== layers) {
    throw new UserError(
      `a pipeline layout of ${counts.join(",")}: must be ${chunks} whole numbers of at least 1 ` +
        `that add up to ${layers} layers`,
    );
  }
  return toRanges(counts);
}

/** The costs of a model, which `splitByCost` balances. */
export interface Costs {
  /** Cost of each layer, in any unit: parameters, FLOPs, measured seconds. */
  readonly layers: readonly number[];
  /** Cost of the input embedding, on the first chunk, and of the LM head, on the last. */
  readonly embedding: number;
  readonly head: number;
}

/**
 * Minimizes the largest cost of a chunk; of the splits that do, the one with the least sum of squared costs.
 * @throws UserError where there are fewer layers than chunks.
 */
export function splitByCost({ layers, embedding, head }: Costs, chunks: number): Range[] {
  checkEnough(layers.length, chunks);
  const sums = layers.reduce((before, cost) => [...before, before.at(-1)! + cost], [0]);
  const costOf: Cost = (chunk, first, end) =>
    sums[end]! - sums[first]! + (chunk === 0 ? embedding : 0) + (chunk === chunks - 1 ? head : 0);
  const largest = minimize(layers.length, chunks, costOf, Math.max).cost;
  const squareOf: Cost = (chunk, first, end) => {
    const cost = costOf(chunk, first, end);
    return cost > largest ? Infinity : cost * cost;
  };
  return toRanges(minimize(layers.length, chunks, squareOf, (a, b) => a + b).counts);
}

/** The cost of layers `first` to `end` (exclusive) as chunk `chunk`. */
type Cost = (chunk: number, first: number, end: number) => number;

interface Split {
  readonly cost: number;
  readonly counts: readonly number[];
}

/** The split with the least cost, combined over chunks by `combine`: dynamic programming over the last layer. */
function minimize(
  layers: number,
  chunks: number,
  costOf: Cost,
  combine: (a: number, b: number) => number,
): Split {
  let best: (Split | undefined)[] = Array.from({ length: layers + 1 }, (_, end) =>
    end === 0 ? undefined : { cost: costOf(0, 0, end), counts: [end] },
  );
  for (let chunk = 1; chunk < chunks; chunk += 1) {
    best = best.map((_, end) =>
      best.slice(0, end).reduce<Split | undefined>((least, before, first) => {
        if (before === undefined) return least;
        const cost = combine(before.cost, costOf(chunk, first, end));
        const isBetter = least === undefined || cost < least.cost;
        return isBetter ? { cost, counts: [...before.counts, end - first] } : least;
      }, undefined),
    );
  }
  return best[layers]!;
}

/** Consecutive ranges of the given sizes. */
function toRanges(counts: readonly number[]): Range[] {
  let end = 0;
  return counts.map((size) => ({ start: (end += size) - size, size }));
}

function checkEnough(layers: number, chunks: number): void {
  if (layers >= chunks) return;
  throw new UserError(
    `${layers} layers cannot fill ${chunks} chunks of a pipeline: use at most ${layers}`,
  );
}
