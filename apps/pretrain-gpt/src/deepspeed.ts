// What the keys of a DeepSpeed configuration mean among Megatron's flags.

import { item, logical, numeric, powerOfTwo, word, type Meanings } from "@tessera/config";
import type { Flags } from "./flags.js";

export const meanings: Meanings<Flags> = {
  train_micro_batch_size_per_gpu: [{ flag: "micro-batch-size", read: numeric }],
  gradient_clipping: [{ flag: "clip-grad", read: numeric }],
  "fp16.enabled": [{ flag: "fp16", read: logical }],
  "fp16.initial_scale_power": [{ flag: "initial-loss-scale", read: powerOfTwo }],
  "fp16.loss_scale_window": [{ flag: "loss-scale-window", read: numeric }],
  "fp16.hysteresis": [{ flag: "hysteresis", read: numeric }],
  "fp16.min_loss_scale": [{ flag: "min-loss-scale", read: numeric }],
  "bf16.enabled": [{ flag: "bf16", read: logical }],
  "zero_optimization.stage": [{ flag: "zero-stage", read: numeric }],
  "optimizer.type": [
    { flag: "optimizer", read: word({ adam: "adam", adamw: "adam", sgd: "sgd" }) },
  ],
  "optimizer.params.adam_w_mode": [{ flag: "adam-w-mode", read: logical }],
  "optimizer.params.lr": [{ flag: "lr", read: numeric }],
  "optimizer.params.betas": [
    { flag: "adam-beta1", read: item(0) },
    { flag: "adam-beta2", read: item(1) },
  ],
  "optimizer.params.eps": [{ flag: "adam-eps", read: numeric }],
  "optimizer.params.weight_decay": [{ flag: "weight-decay", read: numeric }],
};
