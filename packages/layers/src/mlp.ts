// The feed-forward half of a transformer block.

import type { Part } from "@tessera/mesh";
import { gelu } from "./gelu.js";
import { keepInput } from "./keep_input.js";
import { sequence } from "./layer.js";
import { linear } from "./linear.js";
import { swiglu } from "./swiglu.js";

/** What makes an MLP more than one matrix: GPT-2's GELU, or one half of the inner layer gating the other. */
export type Activation = "gelu" | "swiglu";

export interface MlpOptions {
  readonly width: number;
  /** Of the layer between, behind the activation: GPT-2 takes four times the width. */
  readonly innerWidth: number;
  readonly activation?: Activation;
  readonly bias?: boolean;
  readonly deviation: number;
  readonly outputDeviation: number;
  readonly inside?: Part;
}

/** x [batch, time, width] -> y of the same shape, up, the activation, down: partial sums where columns are split. */
export function mlp(options: MlpOptions) {
  const {
    width,
    innerWidth,
    activation = "gelu",
    bias,
    deviation,
    outputDeviation,
    inside,
  } = options;
  const isGated = activation === "swiglu";
  const to = isGated ? [2, innerWidth] : innerWidth;
  return sequence({
    up: linear({ from: width, to, deviation, bias, cut: "columns", inside }),
    down: keepInput(
      isGated ? swiglu() : gelu(),
      linear({
        from: innerWidth,
        to: width,
        deviation: outputDeviation,
        bias,
        cut: "rows",
        inside,
      }),
    ),
  });
}
