// Hugging Face's names of the flags that programs share, by RunConfig's.

export const DOCUMENTS = {
  maskLoss: "eod_mask_loss",
  resetPositions: "reset_position_ids",
  resetAttention: "reset_attention_mask",
} as const;

export const OPTIMIZER = {
  beta1: "adam_beta1",
  beta2: "adam_beta2",
  epsilon: "adam_epsilon",
  weightDecay: "weight_decay",
  clipNorm: "max_grad_norm",
} as const;

export const PRECISION = {
  bf16: "bf16",
  bf16Products: "bf16_products",
  fp16: "fp16",
  initialLossScale: "initial_loss_scale",
  minLossScale: "min_loss_scale",
  lossScaleWindow: "loss_scale_window",
  hysteresis: "hysteresis",
} as const;

export const CHECKPOINTS = {
  keep: "keep",
  async: "async_save",
} as const;
