// The feed-forward half of a transformer block.

import { gelu } from "./gelu.js";
import { keepInput } from "./keep_input.js";
import { sequence } from "./layer.js";
import { linear } from "./linear.js";
import { whole, type Region } from "./region.js";

export interface MlpOptions {
  readonly width: number;
  /** Of the layer between: GPT-2 takes four times the width. */
  readonly innerWidth: number;
  readonly deviation: number;
  readonly outputDeviation: number;
}

/** x [batch, time, width] -> y of the same shape: up, GELU, down, split inside the region. */
export function mlp(options: MlpOptions, region: Region = whole) {
  const { width, innerWidth, deviation, outputDeviation } = options;
  const { enter, leave, inside } = region;
  return sequence({
    enter,
    up: linear({ from: width, to: innerWidth, deviation, cut: "columns", inside }),
    down: keepInput(
      gelu(),
      linear({ from: innerWidth, to: width, deviation: outputDeviation, cut: "rows", inside }),
    ),
    leave,
  });
}
