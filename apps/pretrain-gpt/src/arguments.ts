// Megatron's command lines as our parser takes them: presets first, each flag once, and without those
// that mean nothing here.

import { UserError } from "@tessera/config";
import { presetNames, presetOf } from "./presets.js";

/**
 * Flags of Megatron-LM and Megatron-DeepSpeed that choose among ways to compute the same thing, or tell
 * what MPI finds out by itself.
 */
const WITHOUT_USE = new Set(
  `
  accumulate-allreduce-grads-in-fp32 apply-query-key-layer-scaling attention-softmax-in-fp32
  checkpoint-in-cpu contigious-checkpointing cpu-optimizer cpu_torch_adam data-impl dataloader-type DDP-impl
  deepspeed_mpi distribute-checkpointed-activations distribute-saved-activations distributed-backend
  empty-unused-memory-level fp16-lm-cross-entropy lazy-mpu-init local_rank log-batch-size-to-tensorboard
  log-memory-to-tensorboard log-num-zeros-in-grad log-optimizer-states-to-tensorboard log-params-norm
  log-throughput log-timers-to-tensorboard log-validation-ppl-to-tensorboard log-world-size-to-tensorboard
  make-vocab-size-divisible-by master-addr master-port mmap-warmup no-async-tensor-model-parallel-allreduce
  no-barrier-with-level-1-timing no-bias-dropout-fusion no-bias-gelu-fusion
  no-contiguous-buffers-in-local-ddp no-gradient-accumulation-fusion no-initialization no-load-lr-state
  no-load-rng no-log-learnig-rate-to-tensorboard no-log-loss-scale-to-tensorboard
  no-masked-softmax-fusion no-persist-layer-norm no-query-key-layer-scaling no-save-rng
  no-scatter-gather-tensors-in-pipeline openai-gelu overlap-grad-reduce overlap-p2p-communication
  overlap-param-gather override-opt_param-scheduler partition-activations profile-backward
  synchronize-each-layer tensorboard-queue-size timing-log-level timing-log-option transformer-impl
  use-checkpoint-opt_param-scheduler use-cpu-initialization use-flash-attn use-mcore-models
  use-pin-memory use-ring-exchange-p2p zero-allgather-bucket-size zero-contigious-gradients
  zero-reduce-bucket-size zero-reduce-scatter
  `
    .trim()
    .split(/\s+/),
);

/** Other names of flags that are here, as older and newer versions have them. */
const OTHER_NAMES: Readonly<Record<string, string>> = {
  "checkpoint-num-layers": "recompute-num-layers",
  "norm-epsilon": "layernorm-epsilon",
  "encoder-num-layers": "num-layers",
  "encoder-seq-length": "seq-length",
  "deepspeed-config": "deepspeed_config",
};

export interface Arranged {
  readonly argv: readonly string[];
  /** Sentences for the user. */
  readonly notes: readonly string[];
}

/** A flag with the words that follow it; the first piece of a line may have none. */
type Piece = readonly [flag: string, ...values: string[]];

/** Throws a UserError for a preset that there is not. */
export function arrange(line: readonly string[]): Arranged {
  const given = piecesOf(line);
  const preset = given.findLast(([flag]) => nameOf(flag) === "preset")?.[1];
  const all = [...(preset === undefined ? [] : piecesOf(argumentsOf(preset))), ...given];
  const useless = given.filter(([flag]) => WITHOUT_USE.has(nameOf(flag)));
  const useful = all.filter(([flag]) => !WITHOUT_USE.has(nameOf(flag)));
  const last = new Map(useful.map((range) => [nameOf(range[0]), range]));
  const names = [...new Set(useless.map(([flag]) => flag.split("=")[0]!))];
  return {
    argv: [...last].flatMap(([name, [flag, ...values]]) => {
      const other = OTHER_NAMES[name];
      return [other === undefined ? flag : flag.replace(name, other), ...values];
    }),
    notes: names.length === 0 ? [] : [`${names.join(", ")}: taken, but without use here`],
  };
}

function argumentsOf(preset: string): readonly string[] {
  const name = presetNames.find((one) => one === preset);
  if (name !== undefined) return presetOf(name).arguments;
  throw new UserError(`--preset ${preset}: must be one of ${presetNames.join(", ")}`);
}

const isFlag = (word: string): boolean => word.startsWith("--");

/** "tensor" of --tensor=3. Words before the first flag are named by themselves. */
const nameOf = (flag: string): string => (isFlag(flag) ? flag.slice(2).split("=")[0]! : flag);

function piecesOf(line: readonly string[]): Piece[] {
  const pieces: [string, ...string[]][] = [];
  for (const word of line) {
    const open = pieces.at(-1);
    if (isFlag(word) || word === "-h" || open === undefined) pieces.push([word]);
    else open.push(word);
  }
  return pieces.flatMap(([flag, ...values]): Piece[] => {
    const [head, value] = [flag.split("=")[0]!, flag.slice(flag.indexOf("=") + 1)];
    return [flag.includes("=") ? [head, value, ...values] : [flag, ...values]];
  });
}
