// Flags of Megatron-LM and Megatron-DeepSpeed that pretrain-gpt has no equal of: those that change nothing here, and
// what is said to the others. What changes numbers is never among the first.

import type { Flag } from "@tessera/config";
import { describeIdle, idle, idleAt, refused } from "@tessera/config/foreign";

const wordsOf = (text: string): readonly string[] => text.trim().split(/\s+/);

/** They choose among ways to compute the same, or tell what MPI finds out by itself. */
const SAME_NUMBERS = wordsOf(`
  accumulate-allreduce-grads-in-fp32 apply-layernorm-1p apply-query-key-layer-scaling attention-backend
  attention-softmax-in-fp32 checkpoint-in-cpu ckpt-assume-constant-structure ckpt-format
  ckpt-fully-parallel-load ckpt-fully-parallel-save contigious-checkpointing cpu-optimizer cpu_torch_adam
  cross-entropy-fusion-impl cross-entropy-loss-fusion DDP-impl ddp-average-in-collective ddp-bucket-size
  ddp-num-buckets deepspeed_mpi disable-mem-efficient-ln dist-ckpt-format distribute-checkpointed-activations
  distribute-saved-activations distributed-backend ds_fused_adam embedding-weights-in-fp32
  empty-unused-memory-level lazy-mpu-init local-rank make-vocab-size-divisible-by manual-gc
  manual-gc-eval manual-gc-interval master-addr master-port mmap-warmup no-async-tensor-model-parallel-allreduce
  no-barrier-with-level-1-timing no-bias-dropout-fusion no-bias-swiglu-fusion no-check-for-nan-in-loss-and-grad
  no-contiguous-buffers-in-local-ddp no-create-attention-mask-in-dataloader no-gradient-accumulation-fusion
  no-gradient-reduce-div-fusion no-initialization no-load-rng no-masked-softmax-fusion no-mmap-bin-files
  no-overlap-p2p-communication no-persist-layer-norm no-query-key-layer-scaling no-rope-fusion no-save-rng
  no-scatter-gather-tensors-in-pipeline num-dataset-builder-threads overlap-grad-reduce
  overlap-p2p-communication overlap-param-gather overlap-param-gather-with-optimizer-step partition-activations
  profile-backward repeated-dataloader synchronize-each-layer tp-comm-overlap transformer-impl
  trust-remote-code universal-checkpoint use-cpu-initialization use-dist-ckpt use-flash-attn
  use-flash-attn-builder use-flash-attn-triton use-flash-attn-v2 use-mcore-models use-pin-memory
  use-ring-exchange-p2p use-tp-pp-dp-mapping zero-allgather-bucket-size zero-contigious-gradients
  zero-reduce-bucket-size zero-reduce-scatter enable-zbh1-exact-semantics`);

/** They say how experts work, of which a dense model has none: --num-experts is refused above 1. */
const OF_EXPERTS = wordsOf(`
  create-moe-param-group disable-moe-token-dropping disable-moe-top2-2nd-expert-sampling
  enable-expert-tensor-parallelism expert-interval moe-aux-loss-coeff moe-eval-capacity-factor moe-grouped-gemm
  moe-loss-coeff moe-min-capacity moe-permute-fusion moe-router-load-balancing-type moe-router-topk
  moe-token-dispatcher-type moe-train-capacity-factor topk use-tutel`);

/** They ask for figures that are not written here; training is the same. */
const FIGURES = wordsOf(`
  log-batch-size-to-tensorboard log-learning-rate-to-tensorboard log-loss-scale-to-tensorboard
  log-memory-to-tensorboard log-num-zeros-in-grad log-optimizer-states-to-tensorboard log-params-norm
  log-progress log-throughput log-timers-to-tensorboard log-validation-ppl-to-tensorboard
  log-world-size-to-tensorboard no-log-learnig-rate-to-tensorboard no-log-loss-scale-to-tensorboard profile
  profile-ranks profile-step-end profile-step-start record-memory-history tensorboard-queue-size
  timing-log-level timing-log-option use-pytorch-profiler wandb-exp-name wandb-project wandb-save-dir`);

/** Among the figures, those that are written in any case. */
const WRITTEN = new Set(
  wordsOf(`
  log-batch-size-to-tensorboard log-learning-rate-to-tensorboard log-loss-scale-to-tensorboard log-throughput
  log-validation-ppl-to-tensorboard no-log-learnig-rate-to-tensorboard no-log-loss-scale-to-tensorboard
  tensorboard-queue-size timing-log-level`),
);

const OF_REFUSED = `
  ds-sequence-parallel-fpdt-chunk-size ds-sequence-parallel-fpdt-offloading fp8-amax-compute-algo
  fp8-amax-history-len fp8-interval fp8-margin hidden-size-teacher kd-alpha-ce kd-beta-ce kd-temp
  num-attention-heads-teacher num-experts-teacher num-layers-teacher`;

const EXPERTS = "mixtures of experts are not here; a dense model has 1";
const CONTEXT =
  "ranks do not share a sequence so here; --sequence-parallel shards its tokens among tensor ranks";
const DISTILLATION = "training from a teacher's outputs is not here";
const EIGHT_BITS = "numbers of 8 or 4 bits are not here; --bf16 or --fp16 store 16";
const TWO_RATES = "all layers train with one rate here; drop it, and --decoupled-min-lr";
const SCHEDULE =
  "the learning rate follows from the command line and from what a checkpoint has consumed";

const AT_ONE: Readonly<Record<string, string>> = {
  "num-experts": EXPERTS,
  "moe-expert-parallel-size": EXPERTS,
  "expert-model-parallel-size": EXPERTS,
  "expert-tensor-parallel-size": EXPERTS,
  "context-parallel-size": CONTEXT,
  "ds-sequence-parallel-size": CONTEXT,
};

const REFUSED: Readonly<Record<string, string>> = {
  "batch-size": "use --micro-batch-size, samples that a rank takes at once",
  "model-parallel-size": "use --tensor-model-parallel-size",
  warmup: "use --lr-warmup-fraction, or another of the --lr-warmup flags",
  "apply-residual-connection-post-layernorm": "residuals come from before the norm here",
  "data-efficiency-curriculum-learning": "samples come in Megatron's order here, not by difficulty",
  "decoupled-lr": TWO_RATES,
  "decoupled-min-lr": TWO_RATES,
  "ds-sequence-parallel-fpdt": CONTEXT,
  "end-weight-decay": "weight decay is the same at all steps here: --weight-decay",
  "start-weight-decay": "weight decay is the same at all steps here: --weight-decay",
  "force-ds-sequence-parallel": CONTEXT,
  "fp16-lm-cross-entropy": "the loss is computed in 32 bits here; drop it",
  "fp32-residual-connection":
    "residuals are stored as activations are here; drop it, or --bf16 and --fp16",
  "fp4-format": EIGHT_BITS,
  "fp8-e4m3": EIGHT_BITS,
  "fp8-format": EIGHT_BITS,
  "fp8-hybrid": EIGHT_BITS,
  "fp8-param-gather": EIGHT_BITS,
  "grad-reduce-in-bf16": "gradients are summed in 32 bits here; drop it",
  "init-method-xavier-uniform": "initial weights are normally distributed here: --init-method-std",
  kd: DISTILLATION,
  "load-teacher": DISTILLATION,
  mos: DISTILLATION,
  "multi-latent-attention": "attention has queries, keys and values here; drop it",
  "no-load-lr-state": `${SCHEDULE}; --finetune begins anew`,
  "no-save-optim": "checkpoints hold the optimizer's state, else training could not go on",
  "quick-geglu": "the gate is SiLU here: --swiglu",
  "random-ltd": "every layer takes all tokens here",
  "squared-relu": "the activation function is GELU here, or SiLU with --swiglu",
  "train-data-exact-num-epochs": "the samples of a run are counted: --train-samples",
  "use-checkpoint-opt_param-scheduler": SCHEDULE,
};

const table = (
  names: readonly string[],
  flag: Flag<null>,
): readonly (readonly [string, Flag<null>])[] => names.map((name) => [name, flag]);

export const foreign: Readonly<Record<string, Flag<null>>> = Object.fromEntries([
  ...table([...SAME_NUMBERS, ...OF_EXPERTS, ...FIGURES], idle),
  ...Object.entries(AT_ONE).map(([name, answer]) => [name, idleAt(["1"], answer)] as const),
  ...Object.entries(REFUSED).map(([name, answer]) => [name, refused(answer)] as const),
  ["data-impl", idleAt(["mmap", "infer"], "datasets are Megatron's .bin and .idx files: mmap")],
  ["dataset-impl", idleAt(["mmap", "infer"], "datasets are Megatron's .bin and .idx files: mmap")],
  [
    "dataloader-type",
    idleAt(["single"], "samples come in the order of Megatron's index: --dataloader-type single"),
  ],
  // They say how, where others of these say whether.
  ...table(wordsOf(OF_REFUSED), idle),
  ["mlp-type", idleAt(["standard"], "residual experts are not here; standard is the only type")],
  ["remote-device", idleAt(["none"], "parameters stay in memory here: none")],
  ["weight-decay-incr-style", idleAt(["constant"], "weight decay is constant here")],
]);

/** Other names of flags that are here, as older and newer versions have them. */
export const aliases = {
  "checkpoint-num-layers": "recompute-num-layers",
  "activations-checkpoint-num-layers": "recompute-num-layers",
  "norm-epsilon": "layernorm-epsilon",
  "encoder-num-layers": "num-layers",
  "encoder-seq-length": "seq-length",
  "rotary-position-embeddings-theta": "rotary-base",
  "override-lr-scheduler": "override-opt_param-scheduler",
} as const;

/** Sentences about flags that were taken though they do nothing, by their typed names. */
export function describeTaken(names: readonly string[]): readonly string[] {
  const isMissing = (name: string): boolean => FIGURES.includes(name) && !WRITTEN.has(name);
  const missing = [...new Set(names.filter(isMissing))].map((name) => `--${name}`);
  return [
    ...describeIdle(names.filter((name) => !isMissing(name))),
    ...(missing.length === 0
      ? []
      : [`${missing.join(", ")}: taken, but such figures are not written here`]),
  ];
}
