// Megatron's names of the flags that programs share, by RunConfig's.

export const DOCUMENTS = {
  maskLoss: "eod-mask-loss",
  resetPositions: "reset-position-ids",
  resetAttention: "reset-attention-mask",
} as const;

export const OPTIMIZER = {
  beta1: "adam-beta1",
  beta2: "adam-beta2",
  epsilon: "adam-eps",
  weightDecay: "weight-decay",
  clipNorm: "clip-grad",
} as const;

export const PRECISION = {
  bf16: "bf16",
  bf16Products: "bf16-products",
  fp16: "fp16",
  initialLossScale: "initial-loss-scale",
  minLossScale: "min-loss-scale",
  lossScaleWindow: "loss-scale-window",
  hysteresis: "hysteresis",
} as const;

export const FINE_TUNING = {
  rank: "lora-rank",
  alpha: "lora-alpha",
  rankStabilized: "use-rslora",
  dropout: "lora-dropout",
  targets: "lora-target-modules",
  adapter: "adapter",
  adapterFolder: "adapter-dir",
  frozen: "freeze",
} as const;

export const CHECKPOINTS = {
  keep: "keep",
  async: "async-save",
} as const;
