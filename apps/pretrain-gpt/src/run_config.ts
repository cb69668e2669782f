// The flags of pretrain-gpt as a RunConfig: which field each of them is.

import { latestCheckpoint } from "@tessera/checkpoint";
import { readFlags, UserError } from "@tessera/config";
import { gptModel, type GptConfig, type GptParams } from "@tessera/gpt";
import type { OptimizerConfig } from "@tessera/optim";
import type { ScheduleConfig } from "@tessera/optim/schedules";
import {
  resolvePrecision,
  resolveRun,
  type BatchConfig,
  type ResolvedRun,
  type RunConfig,
} from "@tessera/trainer";
import { openData } from "./data.js";
import { CHECKPOINTS, OPTIMIZER, PRECISION } from "./flag_names.js";
import type { Flags } from "./flags.js";
import { modelOf, needed } from "./model.js";
import { parallelOf } from "./parallel.js";
import { recomputationOf } from "./recomputation.js";
import { scheduleOf } from "./schedule.js";
import type { Vocabulary } from "./vocabulary.js";

/** A run, and what is known of it on paper. */
export interface PretrainRun extends ResolvedRun {
  readonly config: RunConfig<GptParams>;
  readonly gpt: GptConfig;
  readonly schedule: ScheduleConfig;
  /** Tokens of a sample. */
  readonly sequenceLength: number;
}

/** For `ranks` ranks. @throws UserError where flags contradict each other, or sizes do not fit together. */
export function chooseRun(flags: Flags, ranks: number, vocabulary: Vocabulary): PretrainRun {
  const gpt = modelOf(flags, vocabulary.size);
  const sequenceLength = needed(flags, "seq-length");
  const parallel = parallelOf(flags, gpt, ranks);
  const [duration, schedule] = scheduleOf(flags);
  const recompute = recomputationOf(flags);
  const config: RunConfig<GptParams> = {
    model: gptModel(gpt),
    data: (request) => openData(flags, vocabulary, request),
    batch: batchOf(flags),
    duration,
    parallel,
    optimizer: optimizerOf(flags),
    schedule,
    clipNorm: flags["clip-grad"],
    precision: resolvePrecision({
      ...readFlags(flags, PRECISION),
      fixedLossScale: flags["loss-scale"],
    }),
    ...(recompute !== undefined && { recompute }),
    seed: flags.seed,
    ...(flags.save !== undefined && { checkpoints: checkpointsOf(flags, flags.save) }),
    resume: checkpointIn(flags),
    evaluation: { interval: flags["eval-interval"] },
    logInterval: logIntervalOf(flags),
    identity: { tokenizer: vocabulary.name, sequenceLength, optimizer: flags.optimizer },
    settings: flags,
  };
  return { ...resolveRun(config, ranks), config, gpt, schedule, sequenceLength };
}

function batchOf(flags: Flags): BatchConfig {
  const accumulation = flags["gradient-accumulation-steps"];
  const global = flags["global-batch-size"];
  const words = flags["rampup-batch-size"];
  const numbers = words.map(Number);
  const isRight = numbers.every((each) => Number.isSafeInteger(each) && each > 0);
  if (words.length > 0 && (words.length !== 3 || !isRight)) {
    throw new UserError(`--rampup-batch-size ${words.join(" ")}: must be START INCREMENT SAMPLES`);
  }
  const [start, increment, samples] = numbers;
  return {
    micro: needed(flags, "micro-batch-size"),
    ...(accumulation !== undefined && { accumulation }),
    ...(global !== undefined && { global }),
    ...(start !== undefined && { ramp: { start, increment: increment!, samples: samples! } }),
  };
}

function optimizerOf(flags: Flags): OptimizerConfig {
  const { clipNorm: _, ...adam } = readFlags(flags, OPTIMIZER);
  if (flags.optimizer === "adam") return { kind: flags["adam-w-mode"] ? "adamw" : "adam", ...adam };
  return { kind: "sgd", momentum: flags["sgd-momentum"], weightDecay: adam.weightDecay };
}

const checkpointsOf = (flags: Flags, folder: string) => ({
  folder,
  interval: flags["save-interval"] ?? 0,
  ...readFlags(flags, CHECKPOINTS),
  timeoutSeconds: 60 * flags["distributed-timeout-minutes"],
});

function checkpointIn(flags: Flags): string | undefined {
  const { load } = flags;
  const latest = load === undefined ? undefined : latestCheckpoint(load);
  if (latest !== undefined || !flags["exit-on-missing-checkpoint"]) return latest;
  throw new UserError(
    `--exit-on-missing-checkpoint: there is none in --load ${load ?? "(not given)"}`,
  );
}

/** Metrics are read back for lines, and for TensorBoard where it is asked for. */
function logIntervalOf(flags: Flags): number {
  const lines = flags["log-interval"];
  const scalars =
    flags["tensorboard-dir"] === undefined ? lines : flags["tensorboard-log-interval"];
  return greatestDivisor(lines, scalars);
}

const greatestDivisor = (a: number, b: number): number => (b === 0 ? a : greatestDivisor(b, a % b));
