/** Hugging Face's names of flags that mean the same; `_` and `-` are alike. */
export const TRAINER_NAMES = {
  adam_epsilon: "adam-eps",
  block_size: "seq-length",
  eval_steps: "eval-interval",
  intermediate_size: "ffn-hidden-size",
  learning_rate: "lr",
  logging_dir: "tensorboard-dir",
  logging_steps: "log-interval",
  max_grad_norm: "clip-grad",
  max_steps: "train-iters",
  model_name_or_path: "pretrained-checkpoint",
  num_hidden_layers: "num-layers",
  per_device_train_batch_size: "micro-batch-size",
  save_steps: "save-interval",
  save_total_limit: "keep",
  warmup_steps: "lr-warmup-iters",
} as const;
