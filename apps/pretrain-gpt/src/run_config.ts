// The flags of pretrain-gpt as a RunConfig: which field each of them is.

import { readFlags } from "@tessera/config";
import type { GptConfig, GptParams } from "@tessera/gpt";
import type { OptimizerConfig } from "@tessera/optim";
import type { ScheduleConfig } from "@tessera/optim/schedules";
import { resolvePrecision, resolveRun, type ResolvedRun, type RunConfig } from "@tessera/trainer";
import { batchOf, fullBatch } from "./batch.js";
import { checkBatch, type Origins } from "./check_batch.js";
import { chooseStart } from "./choose_start.js";
import { openData } from "./data.js";
import { CHECKPOINTS, OPTIMIZER, PRECISION } from "./flag_names.js";
import { modelToTrain, startingWeights, withAdapters } from "./fine_tuning.js";
import type { Flags } from "./flags.js";
import { needed } from "./model.js";
import { parallelOf } from "./parallel.js";
import { chooseModel, withSavedSizes } from "./pretrained.js";
import { recomputationOf } from "./recomputation.js";
import { describeSchedule, scheduleOf } from "./schedule.js";
import { SETTING_NAMES } from "./setting_names.js";
import type { Vocabulary } from "./vocabulary.js";

/** A run, and what is known of it on paper. */
export interface PretrainRun extends ResolvedRun {
  readonly config: RunConfig<GptParams>;
  readonly gpt: GptConfig;
  readonly schedule: ScheduleConfig;
  /** Tokens of a sample. */
  readonly sequenceLength: number;
  /** Sentences for the user. */
  readonly notes: readonly string[];
}

/** For `ranks` ranks. @throws UserError where flags contradict each other, or sizes do not fit together. */
export function chooseRun(
  given: Flags,
  ranks: number,
  vocabulary: Vocabulary,
  origins: Origins = new Map(),
): PretrainRun {
  const resume = chooseStart(given);
  const flags = resume === undefined ? given : withSavedSizes(given, resume);
  const gpt = withAdapters(flags, chooseModel(flags, vocabulary.size), resume);
  const weights = startingWeights(flags, gpt);
  const sequenceLength = needed(flags, "seq-length");
  const parallel = parallelOf(flags, gpt, ranks);
  const [duration, schedule] = scheduleOf(flags, fullBatch(flags, ranks));
  const recompute = recomputationOf(flags);
  checkBatch(flags, ranks, origins);
  const config: RunConfig<GptParams> = {
    model: modelToTrain(flags, gpt),
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
    ...(weights !== undefined && { weights }),
    ...(flags.save !== undefined &&
      !flags["skip-train"] && { checkpoints: checkpointsOf(flags, flags.save) }),
    resume,
    resumedPart: flags.finetune
      ? "weights"
      : flags["no-load-optim"]
        ? "weights and progress"
        : "state",
    evaluation: { interval: flags["eval-interval"] },
    logInterval: logIntervalOf(flags),
    hashWeights: flags["log-weights-hash"],
    identity: { vocabulary: vocabulary.digest, sequenceLength, optimizer: flags.optimizer },
    names: SETTING_NAMES,
    allowChanges: (name) =>
      flags["allow-changes"] ||
      // It follows from the number of steps.
      (name === "schedule.warmup" && flags["lr-warmup-fraction"] !== undefined) ||
      (flags["override-opt_param-scheduler"] && name.startsWith("schedule.")),
    settings: flags,
  };
  const notes = describeSchedule(schedule, duration);
  return { ...resolveRun(config, ranks), config, gpt, schedule, sequenceLength, notes };
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

/** Metrics are read back for lines, and for TensorBoard where it is asked for. */
function logIntervalOf(flags: Flags): number {
  const lines = flags["log-interval"];
  const scalars =
    flags["tensorboard-dir"] === undefined ? lines : flags["tensorboard-log-interval"];
  return greatestDivisor(lines, scalars);
}

const greatestDivisor = (a: number, b: number): number => (b === 0 ? a : greatestDivisor(b, a % b));
