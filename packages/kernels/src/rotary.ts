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
  /** Pair i of a head turns by position / base^(2 i / dims). */
  base: number;
  /** How many elements of a head turn, from its first: an even number. */
  dims: number;
  pairs: RotaryPairs;
  /** How many heads turn, from the first. */
  heads: number;
  /** The position of each row's first token; one may stand for all rows. */
  starts: readonly number[];
  /** Turn back: the gradient of a turn is the opposite turn. */
  inverse: boolean;
}>;

function refuse(x: Shape, { heads, dims, starts }: RotaryAttributes): void {
  const [batch, , held, depth] = x;
  const fits = starts.length === 1 || starts.length === batch;
  if (x.length === 4 && dims % 2 === 0 && dims <= depth! && heads <= held! && fits) return;
  throw new Error(
    `rotary: x is [${x.join(", ")}], must be [batch, time, heads, depth], with ${heads} heads ` +
      `of which an even ${dims} elements turn, and ${starts.length} starts`,
  );
}

/** The cosines, or sines, of all angles: [batch or 1, time, 1, dims / 2]. */
function anglesOf(
  time: number,
  { base, dims, starts }: RotaryAttributes,
  of: (x: number) => number,
) {
  const half = dims / 2;
  const row = time * half;
  const angle = (i: number): number =>
    (starts[Math.floor(i / row)]! + Math.floor((i % row) / half)) /
    base ** ((2 * (i % half)) / dims);
  return tensor(
    Float32Array.from({ length: starts.length * row }, (_, i) => of(angle(i))),
    [starts.length, time, 1, half],
  );
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
    const { heads, dims, pairs, inverse } = attributes;
    const cos = anglesOf(time, attributes, Math.cos);
    const sin = anglesOf(time, attributes, (angle) => (inverse ? -1 : 1) * Math.sin(angle));
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
