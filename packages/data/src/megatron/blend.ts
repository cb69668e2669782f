// Several datasets as one, mixed by weights as Megatron mixes them.

import { UserError } from "@tessera/config";
import type { Samples } from "../samples.js";

export interface BlendIndices {
  /** Which dataset each sample comes from. */
  readonly dataset: Uint8Array;
  /** Its number in that dataset. */
  readonly sample: Uint32Array;
}

/** A byte numbers the datasets. */
const MAX_DATASETS = 255;

/** Each sample comes from the dataset that lags the farthest behind its share. */
export function blendIndices(weights: readonly number[], count: number): BlendIndices {
  const shares = normalizeWeights(weights);
  const dataset = new Uint8Array(count);
  const sample = new Uint32Array(count);
  const taken = shares.map(() => 0);
  for (let i = 0; i < count; i += 1) {
    let chosen = 0;
    let lag = -Infinity;
    for (let d = 0; d < shares.length; d += 1) {
      const behind = shares[d]! * Math.max(i, 1) - taken[d]!;
      if (behind > lag) {
        lag = behind;
        chosen = d;
      }
    }
    dataset[i] = chosen;
    sample[i] = taken[chosen]!;
    taken[chosen]! += 1;
  }
  return { dataset, sample };
}

/** Weights as shares that add up to one. Throws a UserError for weights that cannot be. */
export function normalizeWeights(weights: readonly number[]): readonly number[] {
  const sum = weights.reduce((a, b) => a + b, 0);
  if (!weights.every((weight) => weight >= 0) || !(sum > 0 && sum < Infinity)) {
    throw new UserError(`blend weights ${weights.join(" ")}: none may be negative, nor all 0`);
  }
  if (weights.length > MAX_DATASETS) {
    throw new UserError(
      `a blend of ${weights.length} datasets: at most ${MAX_DATASETS} can be blended`,
    );
  }
  return weights.map((weight) => weight / sum);
}

/** How many samples each part of a blend of `count` must have: half a percent to spare. */
export const blendCounts = (shares: readonly number[], count: number): readonly number[] =>
  shares.map((share) => Math.ceil(count * share * 1.005));

export interface DataPath {
  readonly weight: number;
  readonly prefix: string;
}

/** Reads `--data-path`: one prefix, several, or weights and prefixes in turn. */
export function parseDataPath(words: readonly string[]): readonly DataPath[] {
  if (words.length === 0) throw new UserError("--data-path: name at least one dataset");
  const isWeight = (word: string) => word.trim() !== "" && !Number.isNaN(Number(word));
  if (!words.some(isWeight)) return words.map((prefix) => ({ weight: 1, prefix }));
  const paths: DataPath[] = [];
  for (let i = 0; i < words.length; i += 2) {
    const [weight, prefix] = [words[i]!, words[i + 1]];
    if (!isWeight(weight) || prefix === undefined || isWeight(prefix)) {
      throw new UserError(
        `--data-path ${words.join(" ")}: weights and paths do not match, they must stand in turn ` +
          "as in 0.3 a 0.7 b",
      );
    }
    paths.push({ weight: Number(weight), prefix });
  }
  normalizeWeights(paths.map(({ weight }) => weight));
  return paths;
}

/** The blend of datasets of one length, `count` samples of it. */
export function blendSamples(
  parts: readonly { readonly samples: Samples; readonly weight: number }[],
  count: number,
): Samples {
  const { dataset, sample } = blendIndices(
    parts.map(({ weight }) => weight),
    count,
  );
  const { length } = parts[0]!.samples;
  return {
    count,
    length,
    read(index, out) {
      if (!(Number.isInteger(index) && index >= 0 && index < count)) {
        throw new RangeError(`sample ${index}: there are ${count}, from 0`);
      }
      parts[dataset[index]!]!.samples.read(sample[index]!, out);
    },
  };
}
