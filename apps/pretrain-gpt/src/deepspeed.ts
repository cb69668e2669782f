// What the keys of a DeepSpeed configuration mean among Megatron's flags.

import {
  ADAM_W_MODE,
  item,
  logical,
  numeric,
  optimizerKind,
  powerOfTwo,
  UserError,
  withDeepSpeed,
  type Configured,
  type Meaning,
  type Meanings,
} from "@tessera/config";
import { program, type Flags } from "./flags.js";

type Read = Meaning<Flags>["read"];

/** adam or sgd: whether weight decay is decoupled is another flag's business. */
const optimizer: Read = (type, at) => {
  const kind = optimizerKind(type, at(ADAM_W_MODE));
  return kind === "adamw" ? "adam" : kind;
};

const isDecoupled: Read = (type, at) => {
  const kind = optimizerKind(type, at(ADAM_W_MODE));
  return kind === null ? null : kind !== "adam";
};

const meanings: Meanings<Flags> = {
  train_batch_size: [{ flag: "global-batch-size", read: numeric }],
  train_micro_batch_size_per_gpu: [{ flag: "micro-batch-size", read: numeric }],
  gradient_accumulation_steps: [{ flag: "gradient-accumulation-steps", read: numeric }],
  gradient_clipping: [{ flag: "clip-grad", read: numeric }],
  "fp16.enabled": [{ flag: "fp16", read: logical }],
  "fp16.loss_scale": [{ flag: "loss-scale", read: numeric }],
  "fp16.initial_scale_power": [{ flag: "initial-loss-scale", read: powerOfTwo }],
  "fp16.loss_scale_window": [{ flag: "loss-scale-window", read: numeric }],
  "fp16.hysteresis": [{ flag: "hysteresis", read: numeric }],
  "fp16.min_loss_scale": [{ flag: "min-loss-scale", read: numeric }],
  "bf16.enabled": [{ flag: "bf16", read: logical }],
  "zero_optimization.stage": [{ flag: "zero-stage", read: numeric }],
  "optimizer.type": [
    { flag: "optimizer", read: optimizer },
    { flag: "adam-w-mode", read: isDecoupled },
  ],
  [ADAM_W_MODE]: [],
  "optimizer.params.lr": [{ flag: "lr", read: numeric }],
  "optimizer.params.betas": [
    { flag: "adam-beta1", read: item(0) },
    { flag: "adam-beta2", read: item(1) },
  ],
  "optimizer.params.eps": [{ flag: "adam-eps", read: numeric }],
  "optimizer.params.weight_decay": [{ flag: "weight-decay", read: numeric }],
};

/**
 * The flags, with the values of `--deepspeed_config` in the place of defaults. Throws a UserError where
 * one contradicts a flag that was given, naming both.
 */
export function configure(flags: Flags, given: ReadonlySet<string>): Configured<Flags> {
  const { deepspeed, deepspeed_config: path, strict } = flags;
  if (deepspeed !== (path !== undefined)) {
    throw new UserError(
      "--deepspeed, --deepspeed_config FILE: belong together; give both, or neither",
    );
  }
  const option = "--deepspeed_config";
  return withDeepSpeed({ path, option, groups: program.groups, flags, given, meanings, strict });
}
