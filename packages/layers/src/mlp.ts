// The feed-forward half of a transformer block.

import type { Part } from "@tessera/mesh";
import { gelu } from "./gelu.js";
import { keepInput } from "./keep_input.js";
import { sequence } from "./layer.js";
import { linear } from "./linear.js";

export interface MlpOptions {
  readonly width: number;
  /** Of the layer between: GPT-2 takes four times the width. */
  readonly innerWidth: number;
  readonly deviation: number;
  readonly outputDeviation: number;
  readonly inside?: Part;
}

/** x [batch, time, width] -> y of the same shape, up, GELU, down: partial sums where columns are split. */
export function mlp({ width, innerWidth, deviation, outputDeviation, inside }: MlpOptions) {
  return sequence({
    up: linear({ from: width, to: innerWidth, deviation, cut: "columns", inside }),
    down: keepInput(
      gelu(),
      linear({ from: innerWidth, to: width, deviation: outputDeviation, cut: "rows", inside }),
    ),
  });
}
