import { choice, number, toggle } from "@tessera/config";

/** How activations are stored, and how the losses of fp16 are scaled: for `resolvePrecision`. */
export const precisionFlags = {
  bf16: toggle("activations and products in bf16, fp32 weights (native backend)", false),
  bf16Products: choice(
    "what bf16 products compute in; auto: as in the checkpoint, else what is faster here",
    ["auto", "bf16", "fp32"],
    "auto",
  ),
  fp16: toggle("activations in fp16, fp32 weights, scaled losses (native backend)", false),
  initialLossScale: number("the first loss scale of fp16", { min: 1 }, 2 ** 16),
  minLossScale: number("the loss scale never falls below it", { above: 0 }, 1),
  lossScaleWindow: number(
    "steps without overflow after which it doubles",
    { min: 1, whole: true },
    1000,
  ),
  hysteresis: number("overflows until it is halved", { min: 1, whole: true }, 2),
};
