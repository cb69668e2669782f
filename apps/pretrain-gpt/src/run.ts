// From a resolved configuration to a run of this rank: data opened, model laid out, nothing in memory yet.

import { latestCheckpoint, readProgress } from "@tessera/checkpoint";
import type { World } from "@tessera/collectives";
import { UserError } from "@tessera/config";
import { gptModel, type GptParams } from "@tessera/gpt";
import { sampleShard } from "@tessera/parallel";
import { adam, decayOf, sgd, type Decays, type Optimizer } from "@tessera/optim";
import { parallelize, type Identity, type TrainingPlan } from "@tessera/trainer";
import { dataOf, type Data } from "./data.js";
import type { Flags } from "./flags.js";
import { fullBatch } from "./length.js";
import type { RunConfig } from "./resolve.js";
import type { Vocabulary } from "./vocabulary.js";

export interface Run {
  readonly plan: TrainingPlan<GptParams>;
  readonly data: Data;
  /** Where it goes on from; undefined for a fresh start. */
  readonly checkpoint: string | undefined;
  /** What a run that continues this one must share with it. */
  readonly identity: Identity;
}

/** Throws a UserError for data or a checkpoint that does not fit. */
export async function runOf(
  flags: Flags,
  config: RunConfig,
  vocabulary: Vocabulary,
  world: World,
): Promise<Run> {
  const { parallel, length, model, storage, recompute, lossScaling, sequenceLength } = config;
  const checkpoint = checkpointIn(flags);
  const before = checkpoint === undefined ? undefined : readProgress(checkpoint).trainSamples;
  const laidOut = parallelize(world, gptModel(model), parallel, {
    storage,
    ...(recompute && { recompute }),
  });
  const data = await dataOf(flags, config, {
    vocabulary,
    dataRank: sampleShard(laidOut.axes).index,
    before,
  });
  const { seed } = flags;
  const plan: TrainingPlan<GptParams> = {
    ...laidOut,
    optimizer: optimizerOf(flags, decayOf(laidOut.model.spec)),
    schedule: length.schedule,
    scheduleUnit: length.unit,
    batch: fullBatch(length, parallel.data),
    ramp: length.ramp,
    clipNorm: flags["clip-grad"],
    lossScaling,
    seed,
    train: data.train,
    validation: data.validation,
    evalBatch: length.microBatch,
    intervals: intervalsOf(flags, length.steps),
  };
  const identity = {
    seed,
    tokenizer: vocabulary.name,
    sequenceLength,
    data: data.description,
    optimizer: flags.optimizer,
  };
  return { plan, data, checkpoint, identity };
}

function checkpointIn(flags: Flags): string | undefined {
  const { load } = flags;
  const latest = load === undefined ? undefined : latestCheckpoint(load);
  if (latest !== undefined || !flags["exit-on-missing-checkpoint"]) return latest;
  throw new UserError(
    `--exit-on-missing-checkpoint: there is none in --load ${load ?? "(not given)"}`,
  );
}

function optimizerOf(flags: Flags, decays: Decays): Optimizer {
  const weightDecay = flags["weight-decay"];
  if (flags.optimizer === "sgd")
    return sgd({ momentum: flags["sgd-momentum"], weightDecay }, decays);
  const options = {
    beta1: flags["adam-beta1"],
    beta2: flags["adam-beta2"],
    epsilon: flags["adam-eps"],
    weightDecay,
    decoupled: flags["adam-w-mode"],
  };
  return adam(options, decays);
}

/** Figures are read back for lines, and for TensorBoard where it is asked for. */
function intervalsOf(flags: Flags, steps: number): TrainingPlan["intervals"] {
  const lines = flags["log-interval"];
  const scalars =
    flags["tensorboard-dir"] === undefined ? lines : flags["tensorboard-log-interval"];
  return {
    steps,
    logging: greatestDivisor(lines, scalars),
    evaluation: flags["eval-interval"],
    saving: flags.save === undefined ? 0 : (flags["save-interval"] ?? 0),
  };
}

const greatestDivisor = (a: number, b: number): number => (b === 0 ? a : greatestDivisor(b, a % b));
