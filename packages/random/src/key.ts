// Names a stream of random numbers: the same seed and name give the same stream everywhere.

/** The 64-bit key of a Philox stream, as two unsigned 32-bit halves. */
export type Key = readonly [low: number, high: number];

const FNV_OFFSET = 0x811c9dc5;
const FNV_PRIME = 0x01000193;

/** Spreads every bit of `h` over all of them (the finalizer of MurmurHash3). */
function mix(h: number): number {
  let x = h;
  x = Math.imul(x ^ (x >>> 16), 0x85ebca6b);
  x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
  return (x ^ (x >>> 16)) >>> 0;
}

/** FNV-1a over the UTF-8 bytes of `text`, started at `h`. */
function hash(text: string, h: number): number {
  let x = h;
  for (const byte of new TextEncoder().encode(text)) x = Math.imul(x ^ byte, FNV_PRIME);
  return mix(x);
}

/** The key of stream `name` under `seed`, a whole number below 2^53. */
export function streamKey(seed: number, name: string): Key {
  const low = seed >>> 0;
  const high = Math.floor(seed / 2 ** 32) >>> 0;
  const salt = mix(low ^ mix(high ^ FNV_OFFSET));
  return [hash(name, FNV_OFFSET ^ salt), hash(name, mix(salt ^ FNV_PRIME))];
}
