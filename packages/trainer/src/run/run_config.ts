// A training run as one value: everything that decides its numbers, and where it keeps them. Flags of
// `gpt-ddp` and `pretrain-gpt`, and DeepSpeed's JSON, are dialects of it; a program of your own writes it down.

import type { TrainingProgress } from "@tessera/checkpoint";
import type { EvenRamp, StagedRamp } from "@tessera/config";
import type { Quantity } from "@tessera/config/units";
import type { Feed } from "@tessera/data";
import type { Bf16Products } from "@tessera/kernels/memory";
import type { ParamSpec, Tree, TreeOf } from "@tessera/params";
import type { ShardIndex } from "@tessera/mesh";
import type { Model, Recomputation } from "@tessera/model";
import type { LossScaleOptions, Optimizer, OptimizerConfig } from "@tessera/optim";
import type { LearningRateSchedule, ScheduleConfig } from "@tessera/optim/schedules";
import type { ParallelConfig } from "../parallel_config.js";
import type { Identity } from "../identity.js";
import type { ResumedPart } from "../saved_state.js";

/** All that defines a run: what is trained, on what, how long, how, and over which ranks. */
export interface RunConfig<P extends Tree = Tree> {
  /** What is trained: `gptModel(config)`, or a model of your own. */
  readonly model: Model<P>;
  /** What it is trained and validated on: feeds, or a function that opens them. */
  readonly data: RunData | ((request: DataRequest) => RunData | Promise<RunData>);
  readonly batch: BatchConfig;
  readonly duration: Duration;
  /** Default: data parallelism over all ranks. */
  readonly parallel?: ParallelConfig;
  /** Default: AdamW with betas 0.9 and 0.95 and weight decay 0.1. */
  readonly optimizer?: OptimizerConfig | ((spec: TreeOf<ParamSpec>) => Optimizer);
  /** Learning rate by steps done, or by samples where the duration is in samples. */
  readonly schedule: ScheduleConfig | LearningRateSchedule;
  /** Largest norm of all gradients together; 0 for no limit. Default: 1. */
  readonly clipNorm?: number;
  /** Default: fp32. */
  readonly precision?: PrecisionConfig;
  /** What backward computes again instead of saving. Default: nothing. */
  readonly recompute?: Recomputation;
  /** What initial weights, sample order and dropout are a function of. Default: 1234. */
  readonly seed?: number;
  /**
   * Weights that a fresh start begins from: full ones of the parameters in `spec`, which are those of the rank's
   * stage, or of more. Each rank takes its shard; `resume` has its own. Default: the model's initializers.
   */
  readonly weights?: (spec: TreeOf<ParamSpec>) => P;
  /** Where states are saved. Default: nowhere. */
  readonly checkpoints?: CheckpointConfig;
  /** A checkpoint to continue from, saved under any layout. Default: a fresh start. */
  readonly resume?: string | undefined;
  /** What is taken of `resume`; the rest is fresh. Default: "state", all of it. */
  readonly resumedPart?: ResumedPart;
  readonly evaluation?: EvaluationConfig;
  /** Steps between metrics; 0 for the first and the last step alone. Default: 50. */
  readonly logInterval?: Quantity<"steps">;
  /** Steps between checks that replicas hold the same weights; 0 for the start alone. Default: 0. */
  readonly replicaCheckInterval?: Quantity<"steps">;
  /**
   * Whether figures have a hash of all weights, `weights_hash`, which no layout changes: two runs that have it in common
   * computed the same bits. All weights are read for it. Default: false.
   */
  readonly hashWeights?: boolean;
  /** What a run that continues this one must share with it, beside model and data, by name. */
  readonly identity?: Identity;
  /** What a user calls settings, by their names in checkpoints and in `identity`. Default: these names. */
  readonly names?: Readonly<Record<string, string>>;
  /** Whether a setting of the checkpoint that is resumed may be another now. Default: none may. */
  readonly allowChanges?: (name: string) => boolean;
  /** The settings as a user gave them, which checkpoints keep for people. */
  readonly settings?: Readonly<Record<string, unknown>>;
}

/** Sizes of a step's batch. Any of them gives the others; what contradicts is refused with both numbers. */
export interface BatchConfig {
  /** Samples that a rank takes through the model at once. */
  readonly micro: Quantity<"samples">;
  /** Microbatches whose gradients are summed before a step. Default: what `global` asks for, else 1. */
  readonly accumulation?: Quantity<"microbatches">;
  /** Samples of a step over all ranks. Default: micro x accumulation x data-parallel ranks. */
  readonly global?: Quantity<"samples">;
  /** How the global batch grows to its size. Default: it is full from the start. */
  readonly ramp?: Omit<EvenRamp, "full"> | Omit<StagedRamp, "full">;
}

/** In optimizer steps, or in samples, which a growing batch takes in steps of other sizes. */
export type Duration =
  { readonly steps: Quantity<"steps"> } | { readonly samples: Quantity<"samples"> };

/** How activations are stored; weights and sums stay fp32. */
export type PrecisionConfig =
  | { readonly storage: "fp32" }
  | {
      readonly storage: "bf16";
      /** What products of bf16 operands compute in. Default: the checkpoint's, else the faster on the first rank. */
      readonly products?: Bf16Products;
    }
  | {
      readonly storage: "fp16";
      /** How losses are scaled. Default: from 2^16, halved at the second overflow, doubled after 1,000 steps. */
      readonly lossScaling?: LossScaleOptions;
    };

/** Where and when a run saves its state. */
export interface CheckpointConfig {
  /** Where checkpoints go: a folder that one run alone writes to. */
  readonly folder: string;
  /** Steps between checkpoints; 0 for the end alone. Default: 0. */
  readonly interval?: Quantity<"steps">;
  /** How many stay, the latest ones; 0 for all. Default: 0. */
  readonly keep?: number;
  /** Whether training goes on while a copy of its state is written. Default: true. */
  readonly async?: boolean;
  /** How long ranks may wait for each other. Default: 600. */
  readonly timeoutSeconds?: Quantity<"seconds">;
}

/** When a run measures its loss on validation samples, and in which batches. */
export interface EvaluationConfig {
  /** Steps between evaluations; 0 for the end alone. Default: 0. */
  readonly interval?: Quantity<"steps">;
  /** Samples that a rank takes through the model at once. Default: the microbatch. */
  readonly batch?: Quantity<"samples">;
}

/** Feeds, and what is known of them. */
export interface RunData {
  readonly train: Feed;
  /** Default: no validation. */
  readonly validation?: Feed | null;
  /** For a last evaluation, which is the caller's. Default: none. */
  readonly test?: Feed | null;
  /** For people. */
  readonly description?: string;
  /** What the user should know before the first step. Default: nothing. */
  readonly notes?: readonly string[];
  /** What a run that continues this one must share with it, by name. */
  readonly identity?: Identity;
}

/** What opening data may depend on. */
export interface DataRequest {
  /** Which shard of each step's samples this rank takes. */
  readonly shard: ShardIndex;
  /** Samples that the order of a dataset is laid out for: what this run, or the one it continues, takes. */
  readonly trainSamples: Quantity<"samples">;
  /** Samples of a full step. */
  readonly globalBatch: Quantity<"samples">;
  /** Of the checkpoint that the run continues from. */
  readonly resumed: TrainingProgress | undefined;
}
