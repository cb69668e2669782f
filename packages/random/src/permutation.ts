// A shuffled order that is a function of its key alone.

import type { Key } from "./key.js";
import { fillUniform } from "./philox.js";

const CHUNK = 4096;

/** The numbers 0 to count - 1 in random order (Fisher and Yates). */
export function permutation(count: number, key: Key): Uint32Array {
  const order = Uint32Array.from({ length: count }, (_, i) => i);
  const uniforms = new Float64Array(CHUNK);
  for (let last = count - 1, used = 0; last > 0; last -= 1, used += 1) {
    if (used % CHUNK === 0) fillUniform(uniforms, key, used);
    const other = Math.floor(uniforms[used % CHUNK]! * (last + 1));
    const moved = order[last]!;
    order[last] = order[other]!;
    order[other] = moved;
  }
  return order;
}
