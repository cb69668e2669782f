// Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011): a
// bijection from a counter to four random words. It has no state, so any element of a random
// tensor can be computed alone, on any rank, in any order.

import type { Key } from "./key.js";

const M0 = 0xd2511f53;
const M1 = 0xcd9e8d57;
const W0 = 0x9e3779b9;
const W1 = 0xbb67ae85;
const ROUNDS = 10;

/** The high 32 bits of the product of two unsigned 32-bit numbers. */
function mulHigh(a: number, b: number): number {
  const aLow = a & 0xffff;
  const aHigh = a >>> 16;
  const bLow = b & 0xffff;
  const bHigh = b >>> 16;
  // Each sum stays below 2^32, so the shifts see all of it.
  const middle = (Math.imul(aHigh, bLow) >>> 0) + (Math.imul(aLow, bLow) >>> 16);
  const cross = (Math.imul(aLow, bHigh) >>> 0) + (middle & 0xffff);
  return (Math.imul(aHigh, bHigh) + (middle >>> 16) + (cross >>> 16)) >>> 0;
}

/** Writes four random words for the counter (c0, c1, c2, c3) into `out`. */
export function philox(key: Key, counter: Uint32Array, out: Uint32Array): void {
  let x0 = counter[0]!;
  let x1 = counter[1]!;
  let x2 = counter[2]!;
  let x3 = counter[3]!;
  let k0 = key[0];
  let k1 = key[1];
  for (let round = 0; round < ROUNDS; round += 1) {
    const high0 = mulHigh(M0, x0);
    const low0 = Math.imul(M0, x0) >>> 0;
    const high1 = mulHigh(M1, x2);
    const low1 = Math.imul(M1, x2) >>> 0;
    x0 = (high1 ^ x1 ^ k0) >>> 0;
    x1 = low1;
    x2 = (high0 ^ x3 ^ k1) >>> 0;
    x3 = low0;
    k0 = (k0 + W0) >>> 0;
    k1 = (k1 + W1) >>> 0;
  }
  out[0] = x0;
  out[1] = x1;
  out[2] = x2;
  out[3] = x3;
}

/** Calls `use` with the block of words that holds element `index`, for each block of the range. */
function eachBlock(
  key: Key,
  first: number,
  count: number,
  use: (words: Uint32Array, lane: number, at: number) => void,
): void {
  const counter = new Uint32Array(4);
  const words = new Uint32Array(4);
  let block = -1;
  for (let at = 0; at < count; at += 1) {
    const index = first + at;
    const wanted = Math.floor(index / 4);
    if (wanted !== block) {
      block = wanted;
      counter[0] = block >>> 0;
      counter[1] = Math.floor(block / 2 ** 32);
      philox(key, counter, words);
    }
    use(words, index % 4, at);
  }
}

/** A word as a number in (0, 1): never 0, so that its logarithm is finite. */
const toUnit = (word: number): number => (word + 0.5) / 2 ** 32;

/** Elements [first, first + out.length) of the stream, uniform in (0, 1). */
export function fillUniform(out: Float32Array | Float64Array, key: Key, first: number): void {
  eachBlock(key, first, out.length, (words, lane, at) => {
    out[at] = toUnit(words[lane]!);
  });
}

/** Element `index` of the stream, uniform in (0, 1). */
export function uniformAt(key: Key, index: number): number {
  const one = new Float64Array(1);
  fillUniform(one, key, index);
  return one[0]!;
}

/**
 * Elements [first, first + out.length) of the stream, standard normal: words (0, 1) and (2, 3) of
 * each block make a pair by the method of Box and Muller.
 */
export function fillNormal(out: Float32Array, key: Key, first: number): void {
  eachBlock(key, first, out.length, (words, lane, at) => {
    const pair = lane & 2;
    const radius = Math.sqrt(-2 * Math.log(toUnit(words[pair]!)));
    const angle = 2 * Math.PI * toUnit(words[pair + 1]!);
    out[at] = radius * (lane & 1 ? Math.sin(angle) : Math.cos(angle));
  });
}
