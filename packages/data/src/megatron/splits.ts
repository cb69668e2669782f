// Which documents are for training, validation and testing: Megatron's `--split`.

import { UserError } from "@tessera/config";

/** The splits of a dataset, in order. */
export const splitNames = ["train", "valid", "test"] as const;
/** A split of a dataset. */
export type SplitName = (typeof splitNames)[number];

/** First documents of train, valid and test, and the end. */
export type SplitBounds = readonly [number, number, number, number];

/**
 * Divides `count` documents by weights such as `969,30,1` or `80/10/10`.
 *
 * @throws UserError for weights that are negative, all 0, or more than three.
 */
export function splitDocuments(split: string, count: number): SplitBounds {
  const weights = parseWeights(split);
  const sum = weights.reduce((a, b) => a + b, 0);
  const bounds = [0];
  for (const weight of weights)
    bounds.push(bounds.at(-1)! + roundHalfToEven((weight / sum) * count));
  const excess = bounds[3]! - count;
  return [0, bounds[1]! - excess, bounds[2]! - excess, count];
}

/** Weights of train, valid and test. Throws as `splitDocuments` does. */
export function parseWeights(split: string): readonly number[] {
  const texts = split.split(split.includes(",") ? "," : "/");
  const weights = texts.map((text) => (text.trim() === "" ? NaN : Number(text)));
  const sum = weights.reduce((a, b) => a + b, 0);
  if (
    !weights.every((weight) => weight >= 0) ||
    !(sum > 0 && sum < Infinity) ||
    weights.length > 3
  ) {
    throw new UserError(
      `split ${split}: must be one to three weights that are not negative, as in 969,30,1`,
    );
  }
  return [...weights, 0, 0].slice(0, 3);
}

/** Python's `round`: 0.5 to 0, 1.5 to 2. */
function roundHalfToEven(x: number): number {
  const below = Math.floor(x);
  const isHalf = x - below === 0.5;
  return isHalf ? below + (below % 2) : Math.round(x);
}
