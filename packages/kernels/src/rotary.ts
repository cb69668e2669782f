// Rotary position embedding (Su et al., 2021): each pair of a head's elements is turned by an angle
// that grows with the position.

import {
  add,
  concat,
  mul,
  reshape,
  slice,
  stack,
  sub,
  tensor,
  unstack,
} from "@tensorflow/tfjs-core";
import type { Tensor } from "@tensorflow/tfjs-core";
import { kernel, type Shape } from "./kernel.js";

/** Which elements of a head turn together: d with d + dims / 2 (GPT-NeoX, Llama), or 2 d with 2 d + 1 (GPT-J). */
export type RotaryPairs = "halves" | "neighbours";

/** How positions rotate queries and keys (Su et al., 2021). */
export type RotaryAttributes = Readonly<{
  /** Pair i of a head turns by position * frequencies[i]; twice as many elements turn, from the first. */
  frequencies: readonly number[];
  /** What cosines and sines are multiplied by. */
  magnitude: number;
  pairs: RotaryPairs;
  /** How many heads turn, from the first. */
  heads: number;
  /** The position of each row's first token; one may stand for all rows. */
  starts: readonly number[];
  /** Turn back: the gradient of a turn is the opposite turn, multiplied by as much. */
  inverse: boolean;
}>;

function refuse(x: Shape, { heads, frequencies, starts }: RotaryAttributes): void {
  const [batch, , held, depth] = x;
  const dims = 2 * frequencies.length;
  const fits = starts.length === 1 || starts.length === batch;
  if (x.length === 4 && dims > 0 && dims <= depth! && heads <= held! && fits) return;
  throw new Error(
    `rotary: x is [${x.join(", ")}], must be [batch, time, heads, depth], with ${heads} heads ` +
      `of which ${dims} elements turn, and ${starts.length} starts`,
  );
}

/** The cosines and sines that pairs turn by: each [batch or 1, time, 1, pairs], and that shape. */
export function rotaryTables(
  time: number,
  { frequencies, magnitude, starts, inverse }: RotaryAttributes,
): { readonly cosine: Float32Array; readonly sine: Float32Array; readonly shape: number[] } {
  const pairs = frequencies.length;
  const row = time * pairs;
  const angles = Array.from(
    { length: starts.length * row },
    (_, i) =>
      (starts[Math.floor(i / row)]! + Math.floor((i % row) / pairs)) * frequencies[i % pairs]!,
  );
  const sign = inverse ? -1 : 1;
  return {
    cosine: Float32Array.from(angles, (angle) => magnitude * Math.cos(angle)),
    sine: Float32Array.from(angles, (angle) => sign * magnitude * Math.sin(angle)),
    shape: [starts.length, time, 1, pairs],
  };
}

/** y [B, T, H, D] = x with the pairs of its first heads turned. In place where the backend can. */
export const rotary = kernel<"x", "y", RotaryAttributes>({
  name: "TesseraRotary",
  inputs: ["x"],
  outputs: ["y"],
  consumes: ["x"],
  shapes({ x }, attributes) {
    refuse(x, attributes);
    return { y: x };
  },
  composite({ x }, attributes) {
    const [batch, time, held, depth] = x.shape as [number, number, number, number];
    const { heads, frequencies, pairs } = attributes;
    const dims = 2 * frequencies.length;
    const { cosine, sine, shape } = rotaryTables(time, attributes);
    const [cos, sin] = [tensor(cosine, shape), tensor(sine, shape)];
    const axis = pairs === "halves" ? 3 : 4;
    const inPairs = [batch, time, heads, dims / 2];
    inPairs.splice(axis, 0, 2);
    const head: Tensor = slice(x, [0, 0, 0, 0], [batch, time, heads, depth]);
    const moved = slice(head, [0, 0, 0, 0], [batch, time, heads, dims]);
    const [a, b] = unstack(reshape(moved, inPairs), axis) as [Tensor, Tensor];
    const turned = stack([sub(mul(a, cos), mul(b, sin)), add(mul(a, sin), mul(b, cos))], axis);
    const parts = [
      reshape(turned, moved.shape),
      slice(head, [0, 0, 0, dims], [batch, time, heads, depth - dims]),
    ];
    const others = slice(x, [0, 0, heads, 0], [batch, time, held - heads, depth]);
    return { y: concat([concat(parts, 3), others], 2) };
  },
});
