// How far two runs are apart, reading by reading, and how far rounding alone would take them.

import { evenRange } from "@tessera/mesh";
import { FIRST, keyOf, KINDS, type Kind, type Reading } from "./observe.js";

/** What must be, and how far from it a run may be. */
export interface Expected {
  readonly reading: Reading;
  /** Its place in the order of the run. */
  readonly order: number;
  /** What differences are relative to, for each element. */
  readonly scale: number;
  /** The largest relative difference that rounding explains. */
  readonly tolerance: number;
  readonly counted: Counted;
}

/** A reading that is not as it must be. */
export interface Difference {
  readonly kind: Kind;
  readonly path: string;
  readonly when: string;
  readonly order: number;
  /** Root mean square of the difference, relative to that of what is expected; Infinity where a reading is missing. */
  readonly apart: number;
  readonly tolerance: number;
  /** The largest difference of an element, in units in the last place of the tensor's largest one. */
  readonly ulps: number;
}

/** The largest relative difference of each kind, and how many were compared. */
export type Summary = Readonly<
  Partial<
    Record<Kind, { readonly compared: number; readonly apart: number; readonly allowed: number }>
  >
>;

/** What is smaller than this part of the others of its kind is measured by them: it may be rounding alone. */
const SMALL = 0.01;
/** How many times as far as a nudge of all weights takes a run, may sums in another order take it, by the run's rounding. */
const marginOf = (epsilon: number): number => (epsilon < 2 ** -16 ? 16 : 4);
/**
 * An element's gradient that is not so many times as large as rounding determines no update: Adam makes whole steps of
 * the smallest ones.
 */
const DETERMINED = 256;

/** What a figure is a sum of: with few figures of a kind, these say how far rounding takes it. */
const SUMMED_FROM: Partial<Record<Kind, Kind>> = { loss: "output", "gradient norm": "gradient" };

/** Kinds in the order in which it is found out how far rounding takes them: figures are sums of others. */
const FOUND_OUT = KINDS.toSorted((a, b) => Number(a in SUMMED_FROM) - Number(b in SUMMED_FROM));

/** Which elements count: those that are not 0. Default: all. */
type Counted = Uint8Array | undefined;

/** Of `values`, or of their differences from `others`. In a loop, as there are as many as the model has parameters. */
function rootMeanSquare(values: Float32Array, counted?: Counted, others?: Float32Array): number {
  let [sum, count] = [0, 0];
  for (let i = 0; i < values.length; i += 1) {
    if (counted?.[i] === 0) continue;
    const x = others === undefined ? values[i]! : values[i]! - others[i]!;
    sum += x * x;
    count += 1;
  }
  return Math.sqrt(sum / Math.max(count, 1));
}

const median = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;

/**
 * What a run must compute: what one rank did, within what it did once all its weights were `nudged` by `epsilon`, the
 * rounding of the run's storage.
 */
export function expect(
  readings: readonly Reading[],
  nudged: readonly Reading[],
  epsilon: number,
): ReadonlyMap<string, Expected> {
  const nudgedAt = new Map(nudged.map((reading) => [keyOf(reading), reading.values]));
  const all = readings.map((reading, order) => ({ reading, order }));
  const expected = new Map<string, Expected>();
  const usually = new Map<Kind, number>();
  const margin = marginOf(epsilon);
  for (const kind of FOUND_OUT) {
    const these = all.filter(({ reading }) => reading.kind === kind);
    const among = Math.max(usually.get(SUMMED_FROM[kind] ?? kind) ?? epsilon, epsilon);
    const moveAll = (drift: number) => {
      const moved = these.map((one) => ({ ...one, ...determinedBy(expected, one.reading, drift) }));
      return moveBy(moved, nudgedAt, among);
    };
    const first = moveAll(0);
    // Later gradients determine updates too. They are not read, but rounding takes them as far as it takes the updates.
    const { moved, usual } = kind === "update" ? moveAll(margin * first.usual) : first;
    usually.set(kind, usual);
    const later = kind in SUMMED_FROM ? (usually.get("update") ?? 0) : 0;
    for (const { by, allowed, ...one } of moved) {
      const drift = one.reading.when === FIRST ? 0 : later;
      const tolerance = Math.max(margin * Math.max(by, usual, drift), allowed);
      expected.set(keyOf(one.reading), { ...one, tolerance });
    }
  }
  return expected;
}

/** How far a nudge took each of `these`, which are of one kind, and how far it usually takes them: `least` or more. */
function moveBy<T extends Pick<Expected, "reading" | "counted">>(
  these: readonly T[],
  nudgedAt: ReadonlyMap<string, Float32Array>,
  least: number,
) {
  const sizes = these.map(({ reading, counted }) => rootMeanSquare(reading.values, counted));
  const usualSize = median(sizes);
  const moved = these.map((one, i) => {
    const { values } = one.reading;
    const scaled = { ...one, scale: Math.max(sizes[i]!, SMALL * usualSize) };
    return {
      ...scaled,
      by: relative(nudgedAt.get(keyOf(one.reading)) ?? values, values, scaled),
    };
  });
  return { moved, usual: Math.max(median(moved.map(({ by }) => by)), least) };
}

/**
 * Which elements of an update the gradient determines, and how far that may take them: as far as the gradient of each
 * may be off, relative to it and its L2 term, since Adam divides by that. It is off by the first one's tolerance, or by `later`.
 */
function determinedBy(
  expected: ReadonlyMap<string, Expected>,
  { kind, path }: Reading,
  later: number,
): { readonly counted: Counted; readonly allowed: number } {
  const gradient = expected.get(keyOf({ kind: "gradient", path, when: FIRST }));
  if (kind !== "update" || gradient === undefined) return { counted: undefined, allowed: 0 };
  const off = Math.max(gradient.tolerance, later) * gradient.scale;
  const { values, decayed = values } = gradient.reading;
  const counted = new Uint8Array(values.length);
  let [sum, count] = [0, 0];
  for (let i = 0; i < values.length; i += 1) {
    const size = Math.abs(decayed[i]!);
    if (size <= DETERMINED * off) continue;
    counted[i] = 1;
    sum += (off / size) ** 2;
    count += 1;
  }
  return { counted, allowed: Math.sqrt(sum / Math.max(count, 1)) };
}

function relative(
  actual: Float32Array,
  expected: Float32Array,
  { scale, counted }: Pick<Expected, "scale" | "counted">,
): number {
  if (actual.length !== expected.length) return Infinity;
  const apart = rootMeanSquare(actual, counted, expected);
  // Two tensors of zeros are alike, whatever their scale; NaN is unlike anything.
  return apart === 0 ? 0 : Number.isNaN(apart) ? Infinity : apart / scale;
}

/** Compares what a rank saw with what is expected. */
export function compare(
  readings: readonly Reading[],
  expected: ReadonlyMap<string, Expected>,
  epsilon: number,
): { readonly differences: readonly Difference[]; readonly summary: Summary } {
  const summary: Partial<Record<Kind, { compared: number; apart: number; allowed: number }>> = {};
  const differences = readings.flatMap((reading): Difference[] => {
    const { kind, path, when } = reading;
    const want = expected.get(keyOf(reading));
    const [tolerance, order] = [want?.tolerance ?? 0, want?.order ?? Infinity];
    const values = want === undefined ? new Float32Array(0) : shardOf(want.reading, reading);
    const apart = relative(reading.values, values, want ?? { scale: 1, counted: undefined });
    const sum = (summary[kind] ??= { compared: 0, apart: 0, allowed: tolerance });
    sum.compared += 1;
    // That which comes nearest to what is allowed stands for its kind.
    if (apart / tolerance > sum.apart / sum.allowed)
      Object.assign(sum, { apart, allowed: tolerance });
    if (apart <= tolerance) return [];
    return [
      {
        kind,
        path,
        when,
        order,
        apart,
        tolerance,
        ulps: ulpsApart(reading.values, values, want?.counted, epsilon),
      },
    ];
  });
  return { differences, summary };
}

/** What of `whole` a rank must have that holds `part` of it. */
function shardOf({ values, rows = 1 }: Reading, { tokens }: Reading): Float32Array {
  if (tokens === undefined || tokens.count === 1) return values;
  const row = values.length / rows;
  if (row % tokens.count !== 0) return new Float32Array(0);
  const { start, size } = evenRange(row, tokens);
  const shards = Array.from({ length: rows }, (_, i) =>
    values.subarray(i * row + start, i * row + start + size),
  );
  return Float32Array.from(shards.flatMap((shard) => [...shard]));
}

function ulpsApart(
  actual: Float32Array,
  expected: Float32Array,
  counted: Counted,
  epsilon: number,
): number {
  if (actual.length !== expected.length) return Infinity;
  let [largest, apart] = [0, 0];
  actual.forEach((value, i) => {
    if (counted?.[i] === 0) return;
    largest = Math.max(largest, Math.abs(expected[i]!));
    apart = Math.max(apart, Math.abs(value - expected[i]!));
  });
  const ulp = 2 * epsilon * 2 ** Math.floor(Math.log2(largest || 1));
  return apart / ulp;
}

/** All of `summaries` together. */
export function mergeSummaries(summaries: readonly Summary[]): Summary {
  const merged: Record<string, { compared: number; apart: number; allowed: number }> = {};
  for (const [kind, one] of summaries.flatMap((summary) => Object.entries(summary))) {
    const { compared, apart, allowed } = (merged[kind] ??= { ...one, compared: 0 });
    const worst = one.apart / one.allowed > apart / allowed ? one : { apart, allowed };
    merged[kind] = { ...worst, compared: compared + one.compared };
  }
  return merged;
}
