// The flags of pretrain-gpt: those of Megatron-LM and Megatron-DeepSpeed, under their names and with
// their defaults, and a few of our own under a heading of their own.

import {
  choice,
  list,
  nameFlags,
  number,
  readVersion,
  text,
  toggle,
  type FlagGroups,
  type FlagValues,
} from "@tessera/config";
import { backendNames } from "@tessera/engines";
import { clusterNames } from "@tessera/launcher";
import { decayStyles, wsdDecayStyles } from "@tessera/optim/schedules";
import { scheduleKinds } from "@tessera/pipeline-parallel";
import {
  checkpointFlags,
  documentFlags,
  fineTuningFlags,
  optimizerFlags,
  precisionFlags,
} from "@tessera/trainer/flags";
import { tiktokenPattern } from "@tessera/tokenizer/flags";
import { CHECKPOINTS, DOCUMENTS, FINE_TUNING, OPTIMIZER, PRECISION } from "./flag_names.js";
import { aliases, foreign } from "./foreign.js";
import { presetNames } from "./presets.js";
import { tokenizerTypes } from "./tokenizer_types.js";
import { TRAINER_NAMES } from "./trainer_names.js";

const count = { min: 1, whole: true } as const;
const interval = { min: 0, whole: true } as const;
const zeroStages = { min: 0, max: 3, whole: true } as const;
const probability = { min: 0, below: 1 } as const;

export const modelFlags = {
  "num-layers": number("transformer blocks", count),
  "hidden-size": number("width of the activations", count),
  "ffn-hidden-size": number("width inside the MLP; 4 x hidden, or 8/3 x with --swiglu", count),
  "num-attention-heads": number("attention heads", count),
  "kv-channels": number("width of a head; hidden size / heads if not said", count),
  "group-query-attention": toggle("share keys and values among query heads", false),
  "num-query-groups": number("heads with keys and values of their own, if they are shared", count),
  "seq-length": number("tokens of a sample", count),
  "max-position-embeddings": number("the longest sequence; at least seq-length", count),
  "position-embedding-type": choice("how a token knows its place", [
    "learned_absolute",
    "rope",
    "none",
  ]),
  "no-position-embedding": toggle("no learned positions", false),
  "use-rotary-position-embeddings": toggle("the same as --position-embedding-type rope", false),
  "rotary-percent": number("part of each head that rotary positions turn", { above: 0, max: 1 }, 1),
  "rotary-base": number("base of the rotary angles", { above: 1 }, 10_000),
  "use-rope-scaling": toggle("scale rotary angles for longer sequences as Llama 3.1 does", false),
  "rope-scaling-factor": number("by how much it divides those of slow pairs; 8 if not said", {
    min: 1,
  }),
  "rotary-seq-len-interpolation-factor": number("divide all positions by this; 1 if not said", {
    min: 1,
  }),
  normalization: choice(
    "what stands before attention and MLP",
    ["LayerNorm", "RMSNorm"],
    "LayerNorm",
  ),
  "qk-layernorm": toggle("normalize queries and keys, each head by itself: RMSNorm", false),
  "layernorm-epsilon": number("guard against division by 0", { above: 0 }, 1e-5),
  swiglu: toggle("gate the MLP by SiLU", false),
  "openai-gelu": toggle("GELU by tanh whatever else is said", false),
  "no-bias-gelu-fusion": toggle("GELU by the error function, as Megatron's without fusion", false),
  "disable-bias-linear": toggle("leave the biases of products out", false),
  "add-qkv-bias": toggle("keep those of queries, keys and values", false),
  "untie-embeddings-and-output-weights": toggle("a head with a table of its own", false),
  "attention-dropout": number("probability", probability, 0.1),
  "hidden-dropout": number("probability", probability, 0.1),
  "init-method-std": number("standard deviation of the initial weights", { above: 0 }, 0.02),
};

const batch = {
  "micro-batch-size": number("samples that a rank takes through the model at once", count),
  "global-batch-size": number("samples of a step; micro-batch x data ranks if not said", count),
  "rampup-batch-size": list(
    "START INCREMENT SAMPLES: raise the global batch over these samples",
    "N",
  ),
  "train-iters": number("steps to train for", count),
  "train-samples": number("samples to train for, in place of steps", count),
  "train-tokens": number("tokens after which training ends, if it has not before", count),
  "step-batch-size-schedule": list(
    "the global batch from so many tokens on, as in 0:768 250B:1536",
    "TOKENS:SIZE",
  ),
  seed: number("what weights, order and dropout are a function of", interval, 1234),
};

const optimizer = {
  optimizer: choice("the optimizer; adam is AdamW, as in Megatron", ["adam", "sgd"], "adam"),
  lr: number("the highest learning rate", { above: 0 }),
  "min-lr": number("where its decay ends", { min: 0 }, 0),
  "lr-decay-style": choice("how it decays; WSD at the end only", decayStyles, "linear"),
  "lr-decay-iters": number("steps over which it decays; train-iters if not said", count),
  "lr-decay-samples": number("the same in samples, with --train-samples", count),
  "lr-decay-tokens": number("the same in tokens", count),
  "lr-wsd-decay-style": choice("how WSD decays at the end", wsdDecayStyles, "exponential"),
  "lr-wsd-decay-iters": number("steps over which WSD decays, the last of its decay's", count),
  "lr-wsd-decay-samples": number("the same in samples", count),
  "lr-warmup-fraction": number("part of the decay's length over which it rises", probability),
  "lr-warmup-iters": number("steps over which it rises", interval, 0),
  "lr-warmup-samples": number("the same in samples", interval, 0),
  "lr-warmup-tokens": number("the same in tokens, with --lr-decay-tokens", interval),
  ...nameFlags(optimizerFlags({ beta2: 0.999, weightDecay: 0.01 }), OPTIMIZER),
  "adam-w-mode": toggle("weight decay acts on the weights (AdamW), not on gradients", true),
  "sgd-momentum": number("SGD's momentum", probability, 0.9),
};

const precision = {
  ...nameFlags(precisionFlags, PRECISION),
  "loss-scale": number(
    "a loss scale that does not change; 0 for one that follows overflows",
    { min: 0 },
    0,
  ),
};

const parallel = {
  "tensor-model-parallel-size": number("ranks that share each product", count, 1),
  "pipeline-model-parallel-size": number("ranks that share the layers", count, 1),
  "no-pipeline-parallel": toggle("one stage only", false),
  "num-layers-per-virtual-pipeline-stage": number(
    "layers of a chunk: stages then have several",
    count,
  ),
  "sequence-parallel": toggle("tensor ranks share the tokens too, outside of products", false),
  "use-distributed-optimizer": toggle(
    "ZeRO 1: data-parallel ranks shard the optimizer's state",
    false,
  ),
  "zero-stage": number(
    "what data-parallel ranks shard: 1 optimizer state, 2 gradients too, 3 weights too",
    zeroStages,
  ),
  "sum-order": choice(
    "how gradients are added: fixed, with the same bits under any data layout, or free, with less traffic",
    ["fixed", "free"],
    "fixed",
  ),
  "distributed-timeout-minutes": number("what ranks may wait for each other", { above: 0 }, 10),
  deepspeed: toggle("read --deepspeed_config", false),
  deepspeed_config: text("a DeepSpeed configuration, whose values stand beside the flags", "FILE"),
};

const memory = {
  "recompute-granularity": choice("what backward computes again", ["full", "selective"]),
  "recompute-activations": toggle("the same as --recompute-granularity selective", false),
  "recompute-method": choice(
    "of full: units of equal size, or only the first layers of each part of the model",
    ["uniform", "block"],
  ),
  "recompute-num-layers": number("layers of a unit, or of each part's block", count, 1),
  "checkpoint-activations": toggle("the same as --recompute-granularity full, uniform", false),
  "deepspeed-activation-checkpointing": toggle("the same as --checkpoint-activations", false),
};

const data = {
  "data-path": list("PREFIX of an indexed dataset, or WEIGHT PREFIX ...", "PART"),
  "train-data-path": list("the same for training alone", "PART"),
  "valid-data-path": list("the same for validation alone", "PART"),
  "test-data-path": list("the same for the test alone", "PART"),
  split: text("parts for training, validation and test", "A,B,C", "969, 30, 1"),
  "data-cache-path": text("where index files are kept; beside the data if not said", "FOLDER"),
  "tokenizer-type": choice("whose ids the data has", tokenizerTypes, "GPT2BPETokenizer"),
  "mock-data": toggle("ids in a row in place of data, as Megatron's mock", false),
  "vocab-file": text("GPT-2's vocab.json; built in if not said", "FILE"),
  "merge-file": text("GPT-2's merges.txt", "FILE"),
  "tokenizer-model": text(
    "a tokenizer.json or its folder; for SentencePiece and Llama2 its tokenizer.model too",
    "FILE",
  ),
  "tiktoken-pattern": tiktokenPattern,
  "vocab-size": number("ids there are, for NullTokenizer", count),
  ...nameFlags(documentFlags, DOCUMENTS),
  "calculate-per-token-loss": toggle(
    "average over tokens, of which each microbatch has as many",
    false,
  ),
  "num-workers": number("threads that read ahead; 0 reads between steps", interval, 2),
};

const output = {
  save: text("where checkpoints go", "FOLDER"),
  load: text("where to go on from, if there is a checkpoint", "FOLDER"),
  "pretrained-checkpoint": text(
    "weights to start from where --load has none: a model in Hugging Face's layout, or a checkpoint",
    "FOLDER",
  ),
  "save-interval": number("steps between checkpoints", count),
  ...nameFlags(checkpointFlags, CHECKPOINTS),
  finetune: toggle(
    "take the weights of --load alone, a checkpoint or a model in Hugging Face's layout, and begin at step 0",
    false,
  ),
  "no-load-optim": toggle("take weights and progress of --load, with a fresh optimizer", false),
  "use-checkpoint-args": toggle("take the model's sizes from --load", false),
  "skip-train": toggle("evaluate --load, and end", false),
  "override-opt_param-scheduler": toggle(
    "resume with another schedule of the learning rate than the checkpoint's; each change is told",
    false,
  ),
  "exit-on-missing-checkpoint": toggle("end where --load has none, rather than start fresh", false),
  "eval-interval": number("steps between evaluations", count, 1000),
  "eval-iters": number("batches of an evaluation", interval, 100),
  "log-interval": number("steps between lines", count, 100),
  "tensorboard-dir": text("write TensorBoard's event files", "FOLDER"),
  "tensorboard-log-interval": number("steps between its scalars", count, 1),
  "metrics-file": text("write figures as lines of JSON too", "FILE"),
  "log-weights-hash": toggle("these have a hash of all weights, for tessera replay", false),
  "exit-interval": number("end at a multiple of these steps", count),
  "exit-duration-in-mins": number("end after these minutes", { above: 0 }),
  "exit-signal-handler": toggle("on SIGTERM save, and end with code 0", false),
};

const ours = {
  "export-dir": text(
    "once trained, the model goes here in Hugging Face's layout, with its tokenizer",
    "FOLDER",
  ),
  preset: choice(
    "the arguments of one of OLCF's examples; flags that follow change them",
    presetNames,
  ),
  "gradient-accumulation-steps": number(
    "micro-batches of a step on each rank, where the global batch is not said",
    count,
  ),
  "pipeline-schedule": choice(
    "1f1b, or interleaved where stages have chunks, if not said",
    scheduleKinds,
  ),
  "pipeline-layout": text(
    "layers of each part: even, parameters, operations, or their numbers, as 3,4,4,3",
    "LAYERS",
    "even",
  ),
  "print-config": toggle("print what would run, and its arithmetic, and end", false),
  "world-size": number(
    "ranks, for --print-config; those of the job or the preset if not said",
    count,
  ),
  "peak-tflops": number("of a rank, to tell utilization by; else --site's", { above: 0 }),
  site: choice("the cluster, the peak of whose processors and GPUs is known", clusterNames),
  "allow-changes": toggle(
    "resume although settings or data are not those of the checkpoint; each change is told",
    false,
  ),
  strict: toggle("refuse keys of the DeepSpeed configuration that mean nothing here", false),
  backend: choice(
    "what computes; tensorflow where it sees a GPU, native where it is built, else wasm",
    backendNames,
  ),
};

const groups = {
  Model: modelFlags,
  Batch: batch,
  Optimizer: optimizer,
  Precision: precision,
  Parallel: parallel,
  Memory: memory,
  Data: data,
  Output: output,
  "Fine-tuning": nameFlags(fineTuningFlags, FINE_TUNING),
  Tessera: ours,
} satisfies FlagGroups;

export const program = {
  name: "tessera-pretrain-gpt",
  version: readVersion(import.meta.url),
  summary: "Trains GPT models in three dimensions, with Megatron's flags.",
  epilogue: [
    "Examples:",
    "  tessera-pretrain-gpt --preset 1.4b --print-config",
    "  srun --mpi=pmix tessera-pretrain-gpt --preset 1.4b --data-path my_text_document --save checkpoints",
    "  tessera launch --nproc-per-node 4 -- tessera-pretrain-gpt --tensor-model-parallel-size 2 \\",
    "    --pipeline-model-parallel-size 2 --num-layers 4 --hidden-size 128 --num-attention-heads 4 \\",
    "    --seq-length 128 --micro-batch-size 2 --global-batch-size 8 --train-iters 100 --lr 1e-3 \\",
    "    --data-path my_text_document",
    "",
    "A flag given twice counts as it stands last. Flags of Megatron that mean nothing here are named once.",
    "Ctrl-C and SIGTERM save, and end with code 130. Code 2 says that a flag or file was refused.",
  ].join("\n"),
  groups,
  foreign,
  aliases: { ...TRAINER_NAMES, ...aliases },
};

export type Flags = FlagValues<typeof groups>;
