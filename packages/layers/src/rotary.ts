// `@tessera/layers/rotary`: the angles of rotary positions (Su et al., 2021), and how models stretch them to longer sequences than they were
// trained on.

import type { RotaryPairs } from "@tessera/kernels/contract";

/** Rotary position embedding (Su et al., 2021) of queries and keys. */
export interface Rotary {
  /** Pair i of d elements rotates by position / base^(2 i / d): 10,000 in most models. */
  readonly base: number;
  /** Fraction of each head that is rotated, from its first element. */
  readonly fraction: number;
  /** Which elements form a pair: see `RotaryPairs`. */
  readonly pairs: RotaryPairs;
  /** How angles are scaled for longer sequences. Default: they are not. */
  readonly scaling?: RotaryScaling;
}

/** How rotary angles are scaled, in the names of `transformers`' `rope_type`. */
export type RotaryScaling = LinearScaling | Llama3Scaling | YarnScaling;

/** All positions are divided by `factor` (Chen et al., 2023). */
export interface LinearScaling {
  readonly kind: "linear";
  readonly factor: number;
}

/** Slow pairs are divided by `factor`, fast ones are not, and those between in part: Llama 3.1 and later. */
export interface Llama3Scaling {
  readonly kind: "llama3";
  readonly factor: number;
  /** Pairs that turn less often than this in `originalPositions` are slow. */
  readonly lowFrequencyFactor: number;
  /** Pairs that turn more often than this are fast. */
  readonly highFrequencyFactor: number;
  /** The longest sequence that the model was trained on before. */
  readonly originalPositions: number;
}

/** As in `llama3`, by a ramp over the pairs, and queries and keys grow by `magnitude` (Peng et al., 2023). */
export interface YarnScaling {
  readonly kind: "yarn";
  readonly factor: number;
  readonly originalPositions: number;
  /** Turns in `originalPositions` of the pair where the ramp begins: 32. */
  readonly betaFast: number;
  /** Turns of the pair where it ends: 1. */
  readonly betaSlow: number;
  /** Whether the ramp begins and ends at whole pairs. */
  readonly truncate: boolean;
  /** What cosines and sines are multiplied by. */
  readonly magnitude: number;
}

/** How pairs of a head turn. */
export interface RotaryAngles {
  /** Pair i turns by position * frequencies[i]. */
  readonly frequencies: readonly number[];
  /** What cosines and sines are multiplied by: 1 unless a scaling says otherwise. */
  readonly magnitude: number;
}

/** How many elements of a head of `depth` are rotated. */
export const rotaryDims = ({ fraction }: Pick<Rotary, "fraction">, depth: number): number =>
  2 * Math.round((depth * fraction) / 2);

/** The angles of heads of `depth` elements. */
export function rotaryAngles(rotary: Rotary, depth: number): RotaryAngles {
  const { base, scaling } = rotary;
  const dims = rotaryDims(rotary, depth);
  const plain = Array.from({ length: dims / 2 }, (_, i) => 1 / base ** ((2 * i) / dims));
  switch (scaling?.kind) {
    case undefined:
      return { frequencies: plain, magnitude: 1 };
    case "linear":
      return { frequencies: plain.map((each) => each / scaling.factor), magnitude: 1 };
    case "llama3":
      return { frequencies: plain.map((each) => llama3Frequency(each, scaling)), magnitude: 1 };
    case "yarn":
      return { frequencies: yarnFrequencies(plain, base, scaling), magnitude: scaling.magnitude };
  }
}

function llama3Frequency(frequency: number, scaling: Llama3Scaling): number {
  const { factor, lowFrequencyFactor: low, highFrequencyFactor: high } = scaling;
  const turns = (scaling.originalPositions * frequency) / (2 * Math.PI);
  const kept = Math.min(Math.max((turns - low) / (high - low), 0), 1);
  return kept * frequency + ((1 - kept) * frequency) / factor;
}

function yarnFrequencies(plain: readonly number[], base: number, scaling: YarnScaling): number[] {
  const { factor, originalPositions, betaFast, betaSlow, truncate } = scaling;
  const dims = 2 * plain.length;
  /** The pair, as a real number, that turns so often in the original positions. */
  const pairOf = (turns: number): number =>
    (dims * Math.log(originalPositions / (2 * Math.PI * turns))) / (2 * Math.log(base));
  const [begin, end] = truncate
    ? [Math.floor(pairOf(betaFast)), Math.ceil(pairOf(betaSlow))]
    : [pairOf(betaFast), pairOf(betaSlow)];
  const first = Math.max(begin, 0);
  const last = Math.min(end, dims - 1);
  const length = last === first ? 0.001 : last - first; // as transformers keeps it from 0
  return plain.map((frequency, i) => {
    const divided = Math.min(Math.max((i - first) / length, 0), 1);
    return (divided * frequency) / factor + (1 - divided) * frequency;
  });
}
