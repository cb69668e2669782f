// A hash of all weights that no layout changes: what runs share that computed the same bits.

import { contiguousRuns } from "@tessera/random";
import { allReduceValues } from "@tessera/parallel";
import { withSources } from "./saved_state.js";
import type { TrainingPlan } from "./plan.js";
import type { TrainingState } from "./state.js";

/** Two sums of 32 bits over elements, in whatever order. */
type Sums = readonly [number, number];

/** A bijection of 32 bits whose every output bit depends on all input bits (Appleby's finalizer of MurmurHash3). */
function mix(bits: number): number {
  const a = Math.imul(bits ^ (bits >>> 16), 0x85ebca6b);
  const b = Math.imul(a ^ (a >>> 13), 0xc2b2ae35);
  return b ^ (b >>> 16);
}

const hashName = (name: string): number =>
  Buffer.from(name).reduce((hash, byte) => mix(hash ^ byte), 0x9e3779b9);

/**
 * A whole number below 2^52 of all weights: of their bits, and of where each stands. It is the same on all ranks, and
 * under every layout. All ranks call it. Borrows `state`.
 */
export function hashWeights(plan: TrainingPlan, state: Pick<TrainingState, "params">): number {
  const weights = { ...state, optimizer: {}, step: 0, consumedSamples: 0 };
  const own = withSources(plan, weights, (sources) =>
    sources.reduce<Sums>(
      (sums, { name, range: { slice, sliceOffset, size }, copy }) => {
        const values = new Float32Array(size);
        copy(values);
        const runs = contiguousRuns(slice, sliceOffset, sliceOffset + size);
        return addRange(sums, new Int32Array(values.buffer), hashName(name), runs, sliceOffset);
      },
      [0, 0],
    ),
  );
  const [a, b] = sumOverRanks(plan, own);
  return (a >>> 6) * 2 ** 26 + (b >>> 6);
}

function addRange(
  sums: Sums,
  bits: Int32Array,
  name: number,
  runs: ReturnType<typeof contiguousRuns>,
  first: number,
): Sums {
  let [a, b] = sums;
  for (const { offset, sliceOffset, length } of runs) {
    for (let i = 0; i < length; i += 1) {
      const place = mix(name ^ (offset + i));
      const element = mix(bits[sliceOffset - first + i]! ^ place);
      a = (a + element) | 0;
      b = (b + Math.imul(element | 1, place | 1)) | 0;
    }
  }
  return [a, b];
}

const BYTES = 4;

/** Sums modulo 2^32 over all ranks, byte by byte: fp32 adds bytes of 2^16 ranks exactly. */
function sumOverRanks({ axes }: TrainingPlan, own: Sums): Sums {
  const bytes = Float32Array.from(own.flatMap((sum) => bytesOf(sum)));
  const all = allReduceValues(axes, bytes);
  return [fromBytes(all.subarray(0, BYTES)), fromBytes(all.subarray(BYTES))];
}

const bytesOf = (sum: number): number[] =>
  Array.from({ length: BYTES }, (_, i) => (sum >>> (8 * i)) & 0xff);

const fromBytes = (bytes: Float32Array): number =>
  bytes.reduce((sum, byte, i) => (sum + Math.imul(byte, 2 ** (8 * i))) | 0, 0);
