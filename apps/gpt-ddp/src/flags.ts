// The flags of gpt-ddp, named as Hugging Face's Trainer names them.

import {
  choice,
  flag,
  list,
  nameFlags,
  number,
  readVersion,
  text,
  toggle,
  type FlagGroups,
  type FlagValues,
} from "@tessera/config";
import { presetNames } from "@tessera/gpt";
import { backendNames } from "@tessera/engines";
import {
  checkpointFlags,
  documentFlags,
  optimizerFlags,
  precisionFlags,
} from "@tessera/trainer/flags";
import { tiktokenPattern } from "@tessera/tokenizer/flags";
import { optimizerFlag } from "./optimizer_names.js";
import { reportTo } from "./report_to.js";
import { schedulerTypes } from "./scheduler_types.js";

import { ALIASES, FOREIGN } from "./trainer_flags.js";
import { CHECKPOINTS, DOCUMENTS, OPTIMIZER, PRECISION } from "./flag_names.js";

const count = { min: 1, whole: true } as const;
const interval = { min: 0, whole: true } as const;

const groups = {
  Model: {
    model: choice("sizes by name", presetNames, "small"),
    model_name_or_path: text(
      "weights to start from: a model in Hugging Face's layout, or a checkpoint",
      "FOLDER",
    ),
    n_layer: number("blocks, in place of the named model's", count),
    n_embd: number("width, in place of the named model's", count),
    n_head: number("attention heads, in place of the named model's", count),
    dropout: number("probability of dropout in training", { min: 0, below: 1 }, 0),
  },
  Data: {
    text: list(
      'files, folders or globs of text or JSON lines (.jsonl, each with a "text"), also .gz; else Moby-Dick or what else installed packages bring',
      "PATH",
    ),
    data_path: list("or Megatron's datasets: PREFIX, or weights in turn as in 0.3 a 0.7 b", "PATH"),
    split: text("their shares for train, valid and test", "SHARES", "969,30,1"),
    train_data_path: list("in place of data_path and split: what to train on", "PATH"),
    valid_data_path: list("and what to validate on", "PATH"),
    data_cache_path: text("where their indices are kept; beside the data by default", "FOLDER"),
    tiktoken_pattern: tiktokenPattern,
    tokenizer: text(
      "bytes, gpt2, or a file or folder of a tokenizer; that of model_name_or_path, else bytes, if not said",
      "NAME",
    ),
    max_len: number("tokens of a sample", count, 64),
    validation_split: number(
      "part of the text, at its end, to validate on",
      { min: 0, below: 1 },
      0.1,
    ),
    data_seed: number("what the order of samples is a function of; seed if not said", interval),
    max_eval_samples: number("samples of a dataset to validate on; 0 for none", interval, 1000),
    ...nameFlags(documentFlags, DOCUMENTS),
  },
  Training: {
    do_train: toggle("train; else only evaluate and sample", true),
    max_steps: number("optimizer steps", count, 2000),
    num_train_epochs: number("passes over --text, in place of steps", { above: 0 }),
    per_device_train_batch_size: number("samples per micro-batch", count, 12),
    gradient_accumulation_steps: number("micro-batches per step", count, 1),
    per_device_eval_batch_size: number("samples per evaluation batch", count, 48),
    gradient_checkpointing: toggle("backward computes each block again, to save memory", false),
    seed: number("what weights, order and dropout are a function of", interval, 42),
  },
  Optimizer: {
    optim: optimizerFlag,
    learning_rate: number("the highest learning rate", { above: 0 }, 1e-3),
    min_learning_rate: number("where its decay ends; 0 if not said", { min: 0 }),
    lr_scheduler_type: choice("how it decays", schedulerTypes, "cosine"),
    lr_scheduler_kwargs: text(
      "its arguments: num_decay_steps, decay_type (cosine, linear, 1-sqrt), min_lr, min_lr_rate, lr_end; " +
        "of DeepSpeed's warmup_type (log, linear), warmup_min_lr, warmup_min_ratio, cos_min_ratio",
      "JSON",
    ),
    warmup_steps: {
      ...number(
        "steps over which it rises from 0; below 1 a part of the run; 100 if not said, at most the run",
        { min: 0 },
      ),
      placeholder: "N",
    },
    warmup_ratio: number("the same as a part of the run", { min: 0, max: 1 }),
    ...nameFlags(optimizerFlags({ beta2: 0.99, weightDecay: 0.1 }), OPTIMIZER),
  },
  Precision: {
    ...nameFlags(precisionFlags, PRECISION),
    loss_scale: number(
      "fp16's loss scale where it does not change; 0 for one that does",
      { min: 0 },
      0,
    ),
  },
  Ranks: {
    deepspeed: text("a DeepSpeed configuration, whose values stand beside the flags", "FILE"),
    strict: toggle("refuse keys of it that mean nothing here; else they are named once", false),
    zero_stage: choice(
      "what data-parallel ranks shard: 1 optimizer state, 2 gradients too, 3 weights too",
      ["0", "1", "2", "3"],
      "0",
    ),
    sum_order: choice(
      "how gradients are added: fixed, with the same bits under any data layout, or free, with less traffic",
      ["fixed", "free"],
      "fixed",
    ),
    ddp_bucket_cap_mb: number("gradients smaller than this travel together", { above: 0 }, 1),
    distributed_timeout_minutes: number("what ranks may wait for each other", { above: 0 }, 10),
    master_addr: flag("taken for the sake of scripts; MPI finds the ranks", "HOST", "", String),
    compare_weights_steps: number(
      "steps between checks that all ranks hold the same weights; 0 for the start and end only",
      interval,
      0,
    ),
  },
  Output: {
    log_weights_hash: toggle(
      "figures in metrics.jsonl have a hash of all weights, for tessera replay",
      false,
    ),
    output_dir: text("where checkpoints and metrics.jsonl go", "FOLDER", "./outputs"),
    overwrite_output_dir: toggle("start again, and remove the checkpoints that are there", false),
    resume_from_checkpoint: {
      ...text(
        "go on from this checkpoint, or from the latest in output_dir; auto: if there is one",
        "FOLDER",
      ),
      valueOptional: true,
    },
    allow_changes: toggle(
      "resume although settings or data are not those of the checkpoint; each change is told",
      false,
    ),
    exit_signal_handler: toggle(
      "SIGTERM saves and ends with code 0, as a job that goes back into the queue wants",
      false,
    ),
    report_to: reportTo,
    logging_dir: text("for TensorBoard's event files; runs in output_dir if not said", "FOLDER"),
    disable_tqdm: toggle("lines in place of a progress bar", false),
    eval_strategy: choice("when the loss of validation is measured", ["steps", "no"], "steps"),
    save_strategy: choice(
      "when checkpoints are saved; no: at the end only",
      ["steps", "no"],
      "steps",
    ),
    logging_steps: number("steps between lines of figures", interval, 50),
    eval_steps: number("steps between evaluations; 0 for the end only", interval, 500),
    save_steps: number("steps between checkpoints; 0 for the end only", interval, 1000),
    ...nameFlags(checkpointFlags, CHECKPOINTS),
  },
  Sample: {
    sample_len: number("tokens to generate after training; 0 for none", interval, 400),
    prompt: text("what the sample continues", "TEXT", "\n"),
    temperature: number("below 1 sharpens the choice; 0 takes the likeliest", { min: 0 }, 0.8),
    top_k: number("how many of the likeliest tokens are drawn from", count, 200),
  },
  Machine: {
    backend: choice(
      "what computes; tensorflow where it sees a GPU, native where it is built, else wasm",
      backendNames,
    ),
  },
} satisfies FlagGroups;

export const program = {
  name: "tessera-gpt-ddp",
  summary: "Trains a GPT on text.",
  version: readVersion(import.meta.url),
  epilogue: [
    "Examples:",
    "  tessera-gpt-ddp --text book.txt",
    "  tessera-gpt-ddp --text 'docs/**/*.md' --model gpt2 --tokenizer gpt2 --max_len 512",
    "  tessera-gpt-ddp --data_path 0.3 data/a_text_document 0.7 data/b_text_document --tokenizer gpt2",
    "  tessera-gpt-ddp --text book.txt --resume_from_checkpoint",
    "  tessera launch --nproc-per-node 4 -- tessera-gpt-ddp --zero_stage 2 --model gpt2",
    "",
    "Other flags of Trainer, run_clm.py and nanoGPT are taken where they mean the same, or nothing, here, and",
    "else refused with what to do instead. tessera-gpt-ddp completion bash prints completion for the shell.",
    "",
    "Ctrl-C and SIGTERM save, and end with code 130. Code 2 says that a flag or file was refused.",
  ].join("\n"),
  groups,
  aliases: ALIASES,
  foreign: FOREIGN,
  strayFlag: "text",
};

export type Flags = FlagValues<typeof groups>;
