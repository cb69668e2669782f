// Rotary position embedding (Su et al., 2021): each pair of a head's elements is turned by an angle
// that grows with the position. Element d pairs with d + depth / 2, as in GPT-NeoX and Llama.

import { add, concat, mul, split, sub, tensor, type Tensor } from "@tensorflow/tfjs-core";
import { kernel } from "./kernel.js";

export type RotaryAttributes = Readonly<{
  /** Pair i of a head turns by position / base^(2 i / depth). */
  base: number;
  /** The position of the first token. */
  start: number;
  /** Turn back: the gradient of a turn is the opposite turn. */
  inverse: boolean;
}>;

/** y [B, T, H, D] = x with every pair turned; D is even. */
export const rotary = kernel<"x", "y", RotaryAttributes>({
  name: "TesseraRotary",
  inputs: ["x"],
  outputs: ["y"],
  shapes({ x }) {
    const depth = x.at(-1) ?? 0;
    if (x.length !== 4 || depth % 2 !== 0) {
      throw new Error(
        `rotary: x is [${x.join(", ")}], must be [batch, time, heads, an even depth]`,
      );
    }
    return { y: x };
  },
  composite({ x }, { base, start, inverse }) {
    const [, time, , depth] = x.shape as [number, number, number, number];
    const half = depth / 2;
    const table = (of: (angle: number) => number): Tensor =>
      tensor(
        Float32Array.from({ length: time * half }, (_, i) =>
          of((start + Math.floor(i / half)) / base ** ((2 * (i % half)) / depth)),
        ),
        [time, 1, half],
      );
    const cos = table(Math.cos);
    const sin = table((angle) => (inverse ? -Math.sin(angle) : Math.sin(angle)));
    const [a, b] = split(x, 2, 3) as [Tensor, Tensor];
    return { y: concat([sub(mul(a, cos), mul(b, sin)), add(mul(a, sin), mul(b, cos))], 3) };
  },
});
