// The Mersenne Twister (Matsumoto and Nishimura, 1998) as numpy's RandomState seeds and uses it, because Megatron
// shuffles with that.

import type { StageProgress } from "../progress.js";

const SIZE = 624;
const MIDDLE = 397;

/** The next 32 random bits, as an unsigned number. */
export type RandomBits = () => number;

/** The bits of `numpy.random.RandomState(seed)`. `seed` is in [0, 2^32). */
export function mt19937(seed: number): RandomBits {
  const state = new Uint32Array(SIZE);
  state[0] = seed;
  for (let i = 1; i < SIZE; i += 1) {
    const last = state[i - 1]!;
    state[i] = Math.imul(1_812_433_253, last ^ (last >>> 30)) + i;
  }
  let next = SIZE;
  return () => {
    if (next === SIZE) {
      twist(state);
      next = 0;
    }
    let bits = state[next]!;
    next += 1;
    bits ^= bits >>> 11;
    bits ^= (bits << 7) & 0x9d2c5680;
    bits ^= (bits << 15) & 0xefc60000;
    return (bits ^ (bits >>> 18)) >>> 0;
  };
}

function twist(state: Uint32Array): void {
  for (let i = 0; i < SIZE; i += 1) {
    const bits = (state[i]! & 0x80000000) | (state[(i + 1) % SIZE]! & 0x7fffffff);
    state[i] = state[(i + MIDDLE) % SIZE]! ^ (bits >>> 1) ^ (bits & 1 ? 0x9908b0df : 0);
  }
}

const REPORT_EVERY = 2 ** 20;

/**
 * Shuffles in place as `RandomState.shuffle` does: from the end, each with one before it or itself, sampled by masking
 * bits and rejecting those that are too large. At most 2^32 values.
 */
export function shuffle(
  values: Int32Array | Uint32Array,
  randomBits: RandomBits,
  progress: StageProgress = () => undefined,
): void {
  for (let i = values.length - 1; i > 0; i -= 1) {
    const mask = i === 0xffffffff ? i : (2 ** (32 - Math.clz32(i)) - 1) >>> 0;
    let j = (randomBits() & mask) >>> 0;
    while (j > i) j = (randomBits() & mask) >>> 0;
    const kept = values[i]!;
    values[i] = values[j]!;
    values[j] = kept;
    if (i % REPORT_EVERY === 0) progress(values.length - i, values.length);
  }
}
