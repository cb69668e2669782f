// Blends of datasets by weight, in the order of Megatron.

import { UserError } from "@tessera/config";
import type { Samples } from "../samples.js";

/** The samples of a blend, in order. */
export interface BlendIndices {
  /** Which dataset each sample comes from. */
  readonly dataset: Uint8Array | Uint16Array | Uint32Array;
  /** Its index in that dataset. */
  readonly sample: Uint32Array;
}

/**
 * The first `count` samples of a blend: each comes from the dataset that is furthest behind its weight.
 *
 * @throws UserError for weights that are negative, or all 0.
 */
export function blendIndices(weights: readonly number[], count: number): BlendIndices {
  const fractions = normalizeWeights(weights);
  const dataset = new (numbersUpTo(weights.length))(count);
  const sample = new Uint32Array(count);
  const taken = fractions.map(() => 0);
  for (let i = 0; i < count; i += 1) {
    let next = 0;
    let lag = -Infinity;
    for (let d = 0; d < fractions.length; d += 1) {
      const behind = fractions[d]! * Math.max(i, 1) - taken[d]!;
      if (behind > lag) {
        lag = behind;
        next = d;
      }
    }
    dataset[i] = next;
    sample[i] = taken[next]!;
    taken[next]! += 1;
  }
  return { dataset, sample };
}

/** The smallest array type whose elements are below `limit`: an order may be as long as training. */
const numbersUpTo = (limit: number) =>
  limit <= 2 ** 8 ? Uint8Array : limit <= 2 ** 16 ? Uint16Array : Uint32Array;

/** Weights that add up to 1. Throws a UserError for weights that are negative, or all 0. */
export function normalizeWeights(weights: readonly number[]): readonly number[] {
  const sum = weights.reduce((a, b) => a + b, 0);
  if (!weights.every((weight) => weight >= 0) || !(sum > 0 && sum < Infinity)) {
    throw new UserError(`blend weights ${weights.join(" ")}: none may be negative, nor all 0`);
  }
  return weights.map((weight) => weight / sum);
}

/** How many samples each dataset of a blend of `count` must have, with a margin of 0.5% as in Megatron. */
export const blendCounts = (weights: readonly number[], count: number): readonly number[] =>
  weights.map((weight) => Math.ceil(count * weight * 1.005));

/** A dataset of a blend. */
export interface DataPath {
  readonly weight: number;
  /** The path of its files without `.bin` and `.idx`. */
  readonly prefix: string;
}

/**
 * Parses `--data-path`: one prefix, several, or weights and prefixes alternately.
 *
 * @throws UserError where weights and prefixes do not alternate.
 */
export function parseDataPath(words: readonly string[]): readonly DataPath[] {
  if (words.length === 0) throw new UserError("--data-path: name at least one dataset");
  const isWeight = (word: string) => word.trim() !== "" && !Number.isNaN(Number(word));
  if (!words.some(isWeight)) return words.map((prefix) => ({ weight: 1, prefix }));
  const paths: DataPath[] = [];
  for (let i = 0; i < words.length; i += 2) {
    const [weight, prefix] = [words[i]!, words[i + 1]];
    if (!isWeight(weight) || prefix === undefined || isWeight(prefix)) {
      throw new UserError(
        `--data-path ${words.join(" ")}: weights and paths do not match, they must alternate ` +
          "as in 0.3 a 0.7 b",
      );
    }
    paths.push({ weight: Number(weight), prefix });
  }
  normalizeWeights(paths.map(({ weight }) => weight));
  return paths;
}

/** A blend of `count` samples, of datasets with the same sequence length. */
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
