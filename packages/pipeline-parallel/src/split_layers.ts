// Which layers stand on which part of a pipeline.

import { UserError } from "@tessera/config";
import type { Range } from "@tessera/mesh";

/** As many layers to each part as to the others; the first ones have one more where they do not divide. */
export function splitEvenly(layers: number, parts: number): Range[] {
  refuseTooFew(layers, parts);
  const few = Math.floor(layers / parts);
  return rangesOf(
    Array.from({ length: parts }, (_, part) => few + (part < layers % parts ? 1 : 0)),
  );
}

/** As written: the number of layers of each part. Throws a UserError where they are not `layers`. */
export function splitAsWritten(counts: readonly number[], layers: number, parts: number): Range[] {
  const sum = counts.reduce((a, b) => a + b, 0);
  const isWhole = counts.every((count) => Number.isSafeInteger(count) && count >= 1);
  if (!isWhole || counts.length !== parts || sum !== layers) {
    throw new UserError(
      `a pipeline layout of ${counts.join(",")}: must be ${parts} whole numbers of at least 1 ` +
        `that add up to ${layers} layers`,
    );
  }
  return rangesOf(counts);
}

export interface Costs {
  /** Of each layer, in any unit: parameters, or measured seconds. */
  readonly layers: readonly number[];
  /** Of what stands before the first layer, and behind the last. */
  readonly embedding: number;
  readonly head: number;
}

/** The parts whose dearest costs least; of those, the most alike. */
export function splitByCost({ layers, embedding, head }: Costs, parts: number): Range[] {
  refuseTooFew(layers.length, parts);
  const sums = layers.reduce((before, cost) => [...before, before.at(-1)! + cost], [0]);
  const costOf = (part: number, first: number, end: number): number =>
    sums[end]! - sums[first]! + (part === 0 ? embedding : 0) + (part === parts - 1 ? head : 0);
  const dearest = cheapest(layers.length, parts, costOf, Math.max).cost;
  const squareOf: Cost = (part, first, end) => {
    const cost = costOf(part, first, end);
    return cost > dearest ? Infinity : cost * cost;
  };
  return rangesOf(cheapest(layers.length, parts, squareOf, (a, b) => a + b).counts);
}

type Cost = (part: number, first: number, end: number) => number;

interface Choice {
  readonly cost: number;
  readonly counts: readonly number[];
}

/** The counts whose parts' costs, joined by `join`, are least: dynamic programming over ends. */
function cheapest(
  layers: number,
  parts: number,
  costOf: Cost,
  join: (a: number, b: number) => number,
): Choice {
  let best: (Choice | undefined)[] = Array.from({ length: layers + 1 }, (_, end) =>
    end === 0 ? undefined : { cost: costOf(0, 0, end), counts: [end] },
  );
  for (let part = 1; part < parts; part += 1) {
    best = best.map((_, end) =>
      best.slice(0, end).reduce<Choice | undefined>((least, before, first) => {
        if (before === undefined) return least;
        const cost = join(before.cost, costOf(part, first, end));
        const isBetter = least === undefined || cost < least.cost;
        return isBetter ? { cost, counts: [...before.counts, end - first] } : least;
      }, undefined),
    );
  }
  return best[layers]!;
}

function rangesOf(counts: readonly number[]): Range[] {
  let end = 0;
  return counts.map((size) => ({ start: (end += size) - size, size }));
}

function refuseTooFew(layers: number, parts: number): void {
  if (layers >= parts) return;
  throw new UserError(
    `${layers} layers cannot fill ${parts} parts of a pipeline: each needs at least one`,
  );
}
