// A rank of the fourth axis' test: trains a small GPT under a layout that has the axis.

import { createHash } from "node:crypto";
import "@tensorflow/tfjs-backend-cpu";
import { enableProdMode, memory, setBackend, type Tensor } from "@tensorflow/tfjs-core";
import type { World } from "@tessera/collectives";
import { createFeed, sequentialOrder } from "@tessera/data";
import { splitWindows } from "@tessera/data/texts";
import { gptConfig, gptModel } from "@tessera/gpt";
import { disposeTree, leaves } from "@tessera/params";
import { planRun, trainRun, type ParallelConfig, type Run, type TrainingState } from "../index.js";
import { gatherFullState } from "../loop.js";
import { silent } from "../report.js";
import { outerAxis } from "./outer_axis.js";

export interface Job {
  readonly outer: number;
  readonly parallel: Omit<ParallelConfig, "axes">;
  readonly steps: number;
  /** Where the last step is saved; nowhere if absent. */
  readonly folder?: string;
  /** The checkpoint to continue from. */
  readonly resume?: string;
}

export interface Trained {
  /** After each step. */
  readonly losses: readonly number[];
  readonly gradientNorms: readonly number[];
  readonly evaluation: number;
  readonly liveTensors: readonly number[];
  /** A digest of weights and optimizer state at the end, as they are on one rank. */
  readonly state: string;
}

const GLOBAL_BATCH = 8;

const tokens = Uint8Array.from({ length: 800 }, (_, i) => (i * i + 3 * i) % 16);
const { train, validation } = splitWindows(tokens, { length: 8, validation: 0.2 });

const sizes = { layerCount: 2, hiddenSize: 8, headCount: 2, vocabularySize: 16, maxPositions: 8 };

const planOf = (world: World, { outer, parallel, steps, folder, resume }: Job) =>
  planRun(world, {
    model: gptModel(gptConfig(sizes)),
    data: {
      train: createFeed(train, { order: sequentialOrder(train.count) }),
      validation: createFeed(validation!),
    },
    batch: { micro: 1, global: GLOBAL_BATCH },
    duration: { steps },
    parallel: { ...parallel, axes: [outerAxis(outer)] },
    schedule: { kind: "constant", peak: 0.01, floor: 0, warmup: 2, total: 100 },
    logInterval: 1,
    resume,
    ...(folder !== undefined && { checkpoints: { folder } }),
  });

/** Called by all ranks. Consumes `state`. */
function digest({ plan }: Run, state: TrainingState): string {
  const { params, optimizer } = gatherFullState(plan, state);
  const hash = createHash("sha256");
  for (const [path, leaf] of leaves<Tensor>({ params, ...optimizer })) {
    hash.update(path).update(leaf.dataSync<"float32">());
  }
  for (const tree of [params, optimizer, state.params, state.optimizer]) disposeTree(tree);
  return hash.digest("hex");
}

async function trained(world: World, job: Job): Promise<Trained> {
  const run = (await planOf(world, job)) as Run;
  const losses: number[] = [];
  const gradientNorms: number[] = [];
  const liveTensors: number[] = [];
  const { state, validationLoss } = await trainRun(run, {
    reporter: () => ({
      ...silent,
      metrics({ loss, grad_norm: norm }) {
        if (loss === undefined) return; // an evaluation's
        losses.push(loss);
        gradientNorms.push(norm!);
        liveTensors.push(memory().numTensors);
      },
    }),
  });
  return {
    losses,
    gradientNorms,
    evaluation: validationLoss,
    liveTensors,
    state: digest(run, state),
  };
}

/** Of each job, one after another. */
export async function main(world: World, jobs: readonly Job[]): Promise<Trained[]> {
  enableProdMode(); // no advice to install another backend
  await setBackend("cpu");
  const all: Trained[] = [];
  for (const job of jobs) all.push(await trained(world, job));
  return all;
}
