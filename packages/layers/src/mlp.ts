// The MLP of a transformer block.

import type { Sharded } from "@tessera/params/placement";
import { sequence } from "./chain.js";
import type { LoraOptions } from "./lora.js";
import { gelu } from "./gelu.js";
import { columns, linear, rows, type WeightShard } from "./linear.js";
import { saveInput } from "./save_input.js";
import { swiglu } from "./swiglu.js";

/**
 * The activation function of an MLP: GELU by tanh as in GPT-2, GELU by the error function as in GPT-NeoX, or SwiGLU as in
 * Llama, which has a gate projection too.
 */
export type Activation = "gelu" | "gelu_erf" | "swiglu";

/** The sizes of an MLP. */
export interface MlpOptions {
  /** The hidden size: x and y are [batch, time, width]. */
  readonly width: number;
  /** Width after the activation function: 4 times `width` in GPT-2. */
  readonly ffnWidth: number;
  /** Default: gelu. */
  readonly activation?: Activation;
  /** Whether both projections have biases. Default: true. */
  readonly bias?: boolean;
  /** Standard deviation of the initial `up` weight. */
  readonly std: number;
  /** Standard deviation of the initial `down` weight, which GPT-2 scales by the number of layers. */
  readonly outputStd: number;
  /** This rank's shard of the inner columns. Default: all of them. */
  readonly shard?: WeightShard;
  /** Low-rank adaptation of those projections that it targets. Default: none. */
  readonly lora?: LoraOptions | undefined;
}

/**
 * x [batch, time, width] -> y of the same shape: up projection, activation function, down projection. With a
 * `shard`, y are partial sums over the ranks.
 */
export function mlp(options: MlpOptions) {
  const { width, ffnWidth, activation = "gelu", bias, std, outputStd, shard, lora } = options;
  const isGated = activation === "swiglu";
  const inner = isGated ? [2, ffnWidth] : ffnWidth;
  return sequence(
    [
      "up",
      linear({
        inFeatures: width,
        outFeatures: inner,
        projections: isGated ? ["gate", "up"] : ["up"],
        std,
        bias,
        split: columns("ffn"),
        shard,
        lora,
      }),
    ],
    [
      "down",
      saveInput(
        isGated
          ? swiglu<Sharded<"ffn">>()
          : gelu<Sharded<"ffn">>(activation === "gelu" ? "tanh" : "erf"),
        linear({
          inFeatures: ffnWidth,
          projections: ["down"],
          outFeatures: width,
          std: outputStd,
          bias,
          split: rows("ffn"),
          shard,
          lora,
        }),
      ),
    ],
  );
}
