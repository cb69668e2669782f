// The feed-forward half of a transformer block.

import type { ShardIndex } from "@tessera/mesh";
import { gelu } from "./gelu.js";
import { saveInput } from "./save_input.js";
import { sequence } from "./layer.js";
import { linear } from "./linear.js";
import { swiglu } from "./swiglu.js";

/** What makes an MLP more than one matrix: GPT-2's GELU, or one half of the inner layer gating the other. */
export type Activation = "gelu" | "swiglu";

export interface MlpOptions {
  readonly width: number;
  /** Of the layer between, behind the activation: GPT-2 takes four times the width. */
  readonly ffnWidth: number;
  readonly activation?: Activation;
  readonly bias?: boolean;
  readonly std: number;
  readonly outputStd: number;
  readonly shard?: ShardIndex;
}

/** x [batch, time, width] -> y of the same shape, up, the activation, down: partial sums where columns are split. */
export function mlp(options: MlpOptions) {
  const { width, ffnWidth, activation = "gelu", bias, std, outputStd, shard } = options;
  const isGated = activation === "swiglu";
  const to = isGated ? [2, ffnWidth] : ffnWidth;
  return sequence({
    up: linear({ inFeatures: width, outFeatures: to, std, bias, partition: "columns", shard }),
    down: saveInput(
      isGated ? swiglu() : gelu(),
      linear({
        inFeatures: ffnWidth,
        outFeatures: width,
        std: outputStd,
        bias,
        partition: "rows",
        shard,
      }),
    ),
  });
}
