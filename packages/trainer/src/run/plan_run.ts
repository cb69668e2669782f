// From a configuration to this rank's plan: data opened, the model laid out, every contradiction refused. Nothing
// large is in memory yet.

import { UserError } from "@tessera/config";
import { locate, readProgress, type TrainingProgress } from "@tessera/checkpoint";
import type { World } from "@tessera/collectives";
import { orderLength } from "@tessera/data";
import { filterTree, leaves, type ParamSpec, type Tree, type TreeOf } from "@tessera/params";
import { fullModel } from "@tessera/model";
import { sampleShard } from "@tessera/parallel";
import { createOptimizer, skipFrozen, type Optimizer } from "@tessera/optim";
import { chooseBf16Products } from "../bf16_products.js";
import { openCheckpoints, type Checkpoints } from "../checkpoints.js";
import { parallelize } from "../parallelize.js";
import type { TrainingPlan } from "../plan.js";
import { checkStorage } from "../precision.js";
import type { Identity } from "../identity.js";
import { compareSettings, settingsOf } from "./compare_settings.js";
import { resolveRun } from "./resolve_run.js";
import type { RunConfig, RunData } from "./run_config.js";

/** A run that is about to begin on this rank. */
export interface Run<P extends Tree = Tree> {
  readonly config: RunConfig<P>;
  readonly plan: TrainingPlan<P>;
  readonly data: RunData;
  /** Samples that the order of the data was laid out for. */
  readonly trainSamples: number;
  /** What a run that continues this one must share with it, by name. */
  readonly identity: Identity;
  /** What else changes its numbers, by name. */
  readonly settings: Identity;
  /** The folder of checkpoints, locked for this run; null where it saves none. */
  readonly checkpoints: Checkpoints | null;
  /** What the user should know before the first step. */
  readonly notes: readonly string[];
}

const FP16_SCALING = { initial: 2 ** 16, minimum: 1, window: 1000, hysteresis: 2 };

/**
 * Plans the run that `asked` describes. Called by all ranks of the world, after a backend is chosen.
 * @throws UserError, before memory is taken, for whatever cannot be.
 */
export async function planRun<P extends Tree>(
  world: World,
  asked: RunConfig<P>,
  log: (text: string) => void = () => undefined,
): Promise<Run<P>> {
  checkStorage(asked.precision?.storage ?? "fp32");
  const checkpoints = asked.checkpoints
    ? await openCheckpoints(world, { ...asked.checkpoints, log })
    : null;
  const resume = asked.resume === undefined ? undefined : locate(asked.resume);
  const config = { ...asked, resume };
  try {
    return { ...(await planOf(world, config)), config, checkpoints };
  } catch (error) {
    await checkpoints?.close();
    throw error;
  }
}

async function planOf<P extends Tree>(
  world: World,
  config: RunConfig<P>,
): Promise<Omit<Run<P>, "config" | "checkpoints">> {
  const { precision = { storage: "fp32" }, recompute, evaluation = {}, seed = 1234 } = config;
  const optimizer = optimizerOf(config, fullModel(config.model).spec);
  const parallelized = parallelize(world, config.model, config.parallel, {
    optimizer,
    storage: precision.storage,
    ...(recompute !== undefined && { recompute }),
  });
  const shard = sampleShard(parallelized.axes);
  const { batch, ramp, duration } = resolveRun(config, world.size, shard.count);
  const isFresh = config.resume === undefined || config.resumedPart === "weights";
  const resumed = isFresh ? undefined : readProgress(config.resume);
  const needed = remainingSamples(config, duration.samples, batch.globalBatch, resumed);
  const { samples: trainSamples, notes } = orderLength(needed, resumed?.trainSamples);
  const isContinued = resumed !== undefined && (config.resumedPart ?? "state") === "state";
  const products = chooseBf16Products(world, precision, isContinued ? resumed.settings : undefined);
  const settings = { ...settingsOf(config, batch), ...products.settings };
  const changes = (run: Identity): readonly string[] =>
    isContinued ? compareSettings(config.resume!, resumed, run, config) : [];
  const changed = changes({ ...settings, seed, ...config.identity });
  const request = { shard, trainSamples, globalBatch: batch.globalBatch, resumed };
  const data = typeof config.data === "function" ? await config.data(request) : config.data;
  checkSequences(config, data);
  const plan: TrainingPlan<P> = {
    ...parallelized,
    optimizer,
    schedule: config.schedule,
    scheduleUnit: "samples" in config.duration ? "samples" : "steps",
    batch,
    ramp,
    clipNorm: config.clipNorm ?? 1,
    lossScaling: precision.storage === "fp16" ? (precision.lossScaling ?? FP16_SCALING) : null,
    seed,
    hashWeights: config.hashWeights ?? false,
    train: data.train,
    validation: data.validation ?? null,
    evalBatch: evaluation.batch ?? batch.microBatch,
    intervals: {
      steps: duration.steps,
      logging: config.logInterval ?? 50,
      evaluation: evaluation.interval ?? 0,
      saving: config.checkpoints?.interval ?? 0,
      replicaCheck: config.replicaCheckInterval ?? 0,
    },
  };
  const identity = { seed, ...config.identity, ...data.identity };
  const told = [
    ...products.notes,
    ...(data.notes ?? []),
    ...notes,
    ...changed,
    ...changes(data.identity ?? {}),
  ];
  return { plan, data, trainSamples, identity, settings, notes: told };
}

/** Sequence parallelism gives each tensor-parallel rank as many tokens. */
function checkSequences({ parallel = {} }: Pick<RunConfig, "parallel">, data: RunData): void {
  const { sequence = false, tensor = 1 } = parallel;
  const lengths = [data.train.length, ...(data.validation ? [data.validation.length] : [])];
  const uneven = lengths.find((length) => sequence && length % tensor !== 0);
  if (uneven === undefined) return;
  throw new UserError(
    `sequences of ${uneven} tokens: cannot be sharded over ${tensor} tensor-parallel ranks; use a multiple of ${tensor}`,
  );
}

/** Samples until the run's end, counted from its first step, also where the batch is not what it was. */
function remainingSamples(
  { duration }: RunConfig,
  samples: number,
  globalBatch: number,
  resumed: TrainingProgress | undefined,
): number {
  if (resumed === undefined || "samples" in duration) return samples;
  return resumed.consumedSamples + (duration.steps - resumed.step) * globalBatch;
}

/**
 * The optimizer of a run, for those parameters that `spec` describes and that are trained.
 * @throws UserError where all of them are frozen.
 */
export function optimizerOf(
  { optimizer = { kind: "adamw" } }: Pick<RunConfig, "optimizer">,
  spec: TreeOf<ParamSpec>,
): Optimizer {
  const trained = filterTree<ParamSpec>(spec, (_path, { isFrozen }) => isFrozen !== true);
  if (leaves(trained).length === 0) {
    throw new UserError("all parameters are frozen: leave some of them to be trained");
  }
  return skipFrozen(
    typeof optimizer === "function" ? optimizer(trained) : createOptimizer(optimizer, trained),
    spec,
  );
}
