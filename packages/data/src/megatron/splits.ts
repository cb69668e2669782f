// Which documents are for training, validation and testing: Megatron's `--split`.

import { UserError } from "@tessera/config";

export const splitNames = ["train", "valid", "test"] as const;
export type SplitName = (typeof splitNames)[number];

/** Where each part begins: train, valid, test, and the end. */
export type SplitBounds = readonly [number, number, number, number];

/** Parts of `count` documents by a text such as `969,30,1` or `80/10/10`, which are shares. */
export function splitDocuments(split: string, count: number): SplitBounds {
  const shares = parseShares(split);
  const sum = shares.reduce((a, b) => a + b, 0);
  const bounds = [0];
  for (const share of shares) bounds.push(bounds.at(-1)! + roundHalfToEven((share / sum) * count));
  const excess = bounds[3]! - count;
  return [0, bounds[1]! - excess, bounds[2]! - excess, count];
}

function parseShares(split: string): readonly number[] {
  const texts = split.split(split.includes(",") ? "," : "/");
  const shares = texts.map((text) => (text.trim() === "" ? NaN : Number(text)));
  const sum = shares.reduce((a, b) => a + b, 0);
  if (!shares.every((share) => share >= 0) || !(sum > 0 && sum < Infinity) || shares.length > 3) {
    throw new UserError(
      `split ${split}: must be one to three shares that are not negative, as in 969,30,1`,
    );
  }
  return [...shares, 0, 0].slice(0, 3);
}

/** As Python rounds: 0.5 to 0, 1.5 to 2. */
function roundHalfToEven(x: number): number {
  const below = Math.floor(x);
  const isHalf = x - below === 0.5;
  return isHalf ? below + (below % 2) : Math.round(x);
}
