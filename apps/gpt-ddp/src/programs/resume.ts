// A rank of the checkpoints' test: saves under some layouts, or goes on under each from what others saved.

import { createHash } from "node:crypto";
import { join } from "node:path";
import "@tensorflow/tfjs-backend-cpu";
import { enableProdMode, memory, setBackend, type Tensor } from "@tensorflow/tfjs-core";
import { latestCheckpoint } from "@tessera/checkpoint";
import type { World } from "@tessera/collectives";
import type { GptParams } from "@tessera/gpt";
import { loadNative } from "@tessera/kernels-native";
import { disposeTree, leaves, materialize } from "@tessera/params";
import type { TrainingPlan, TrainingState } from "@tessera/trainer";
import {
  initialTrainingState,
  openCheckpoints,
  resumeRun,
  takeStep,
  readScalar,
  gatherFullState,
} from "@tessera/trainer/loop";
import { silent } from "@tessera/trainer/report";
import { planOf, type Job, type Layout } from "./layouts.js";

export interface Named {
  readonly name: string;
  readonly layout: Layout;
}

export interface ResumeJob extends Omit<Job, "layouts"> {
  /** Where each layout's checkpoint is, under its name. */
  readonly checkpoints: string;
  readonly layouts: readonly Named[];
  /** What to go on from under each layout; none to start afresh and save. */
  readonly from: readonly string[];
  /** The layouts, by name, that take steps from a checkpoint of `from`; the others only load it. */
  readonly steps: Readonly<Record<string, readonly string[]>>;
}

/** A run from a checkpoint on. */
export interface Continued {
  /** Under which layout it was saved, and goes on. */
  readonly from: string;
  readonly to: string;
  /** A digest of the whole state there: weights and optimizer's. */
  readonly state: string;
  readonly losses: readonly number[];
  readonly leaked: number;
}

const FIRST_STEPS = 2;
export const NEXT_STEPS = 3;

const IDENTITY = { seed: 7 };

/** Takes `state`, and ownership of it, so many steps on. */
function advance(plan: TrainingPlan, state: TrainingState, steps: number) {
  const losses: number[] = [];
  let now = state;
  for (let step = 0; step < steps; step += 1) {
    const taken = takeStep(plan, now);
    losses.push(readScalar(taken.report.loss));
    disposeTree({ loss: taken.report.loss, norm: taken.report.gradientNorm });
    now = taken.state;
  }
  return { state: now, losses };
}

/** Of all weights and all that the optimizer remembers, gathered. Called by all ranks. */
function digest(plan: TrainingPlan, state: TrainingState): string {
  const { params, optimizer } = gatherFullState(plan, state);
  const hash = createHash("sha256");
  for (const [path, leaf] of leaves<Tensor>({ params, ...optimizer })) {
    hash.update(path).update(leaf.dataSync<"float32">());
    leaf.dispose();
  }
  return hash.digest("hex");
}

const disposeState = ({ params, optimizer }: TrainingState): void => {
  for (const tree of [params, optimizer]) disposeTree(tree);
};

async function saved(world: World, job: ResumeJob, { name, layout }: Named): Promise<Continued> {
  const plan = planOf(world, { ...job, layouts: [] }, layout);
  const folder = join(job.checkpoints, name);
  const checkpoints = await openCheckpoints(world, { folder });
  const weights = materialize<GptParams>(plan.model.spec, plan.seed, plan.weightShard);
  const { state } = advance(plan, initialTrainingState(plan, weights), FIRST_STEPS);
  const before = memory().numTensors;
  await checkpoints.of(plan, { identity: IDENTITY, run: {} }, silent).save(state);
  const leaked = memory().numTensors - before;
  const there = digest(plan, state);
  const { state: end, losses } = advance(plan, state, NEXT_STEPS); // while it is being written
  disposeState(end);
  await checkpoints.settled();
  await checkpoints.close();
  return { from: name, to: name, state: there, losses, leaked };
}

function continued(world: World, job: ResumeJob, from: string, { name, layout }: Named): Continued {
  const plan = planOf(world, { ...job, layouts: [] }, layout);
  const before = memory().numTensors;
  const folder = latestCheckpoint(join(job.checkpoints, from))!;
  const state = resumeRun(plan, folder);
  const there = digest(plan, state);
  const steps = job.steps[from]!.includes(name) ? NEXT_STEPS : 0;
  const { state: end, losses } = advance(plan, state, steps);
  disposeState(end);
  const leaked = memory().numTensors - before;
  return { from, to: name, state: there, losses, leaked };
}

export async function main(world: World, job: ResumeJob): Promise<Continued[]> {
  enableProdMode();
  await setBackend(loadNative({ ...process.env, OMP_NUM_THREADS: "1" }) ? "native" : "cpu");
  const all: Continued[] = [];
  for (const layout of job.layouts) {
    if (job.from.length === 0) all.push(await saved(world, job, layout));
    for (const from of job.from) all.push(continued(world, job, from, layout));
  }
  return all;
}
