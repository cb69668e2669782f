// A rank of LoRA's test: trains the adapters of a small GPT under a layout.

import "@tensorflow/tfjs-backend-cpu";
import { enableProdMode, memory, setBackend, type Tensor } from "@tensorflow/tfjs-core";
import { latestCheckpoint, openModel, readOpenModel, type OpenModel } from "@tessera/checkpoint";
import { mergeLora, withAdapter } from "@tessera/checkpoint/adapters";
import type { World } from "@tessera/collectives";
import { createFeed, sequentialOrder } from "@tessera/data";
import { splitWindows } from "@tessera/data/texts";
import { gptConfig, gptModel, type GptConfig, type GptParams } from "@tessera/gpt";
import { isLoraPath } from "@tessera/gpt/lora";
import { freezeMatching, fullModel, type Model } from "@tessera/model";
import { disposeTree, leafAt, leaves, materialize, type Tree } from "@tessera/params";
import { gatherFullState } from "../loop.js";
import { planRun, trainRun, type ParallelConfig } from "../index.js";
import { silent } from "../report.js";

export interface Job {
  readonly parallel: ParallelConfig;
  readonly steps: number;
  /** Trains all but what these patterns match, in place of adapters. */
  readonly frozen?: readonly string[];
  /** A model and an adapter of it, in place of random ones: or what the two are merged into. */
  readonly files?: {
    readonly base: string;
    readonly adapter: string;
    readonly isMerged?: boolean;
  };
  /** Where the last step is saved; nowhere if absent. */
  readonly folder?: string;
  /** The folder of the checkpoint to continue from. */
  readonly resume?: string;
}

export interface Trained {
  readonly losses: readonly number[];
  readonly gradientNorms: readonly number[];
  readonly liveTensors: readonly number[];
  /** Parameters that are, bit for bit, what they were before the first step. */
  readonly unchanged: readonly string[];
  /** Parameters that the optimizer keeps something beside. */
  readonly withMoments: readonly string[];
  /** Of all others than `unchanged`. */
  readonly weights: Readonly<Record<string, Float32Array>>;
}

const SEED = 5;
const tokens = Uint8Array.from({ length: 800 }, (_, i) => (i * i + 3 * i) % 16);
const { train } = splitWindows(tokens, { length: 8, validation: 0 });

const lora = { rank: 2, alpha: 4, rankStabilized: true, dropout: 0.2 };
const config = gptConfig({
  ...{ layerCount: 2, hiddenSize: 8, headCount: 2, kvHeadCount: 1 },
  ...{ vocabularySize: 16, maxPositions: 8, activation: "swiglu" },
  // The gradient of keys' biases is zero but for rounding, of which Adam makes steps.
  biases: { attention: false, mlp: true, head: false },
});

type Files = NonNullable<Job["files"]>;

function openFiles({ base, adapter, isMerged = false }: Files): OpenModel {
  const adapted = withAdapter(openModel(base), adapter);
  return isMerged ? mergeLora(adapted) : adapted;
}

/** Without dropout, as the merged model has none. */
function configOf(files: Files): GptConfig {
  const model = openFiles(files);
  const { config } = model;
  model.close();
  return { ...config, ...(config.lora && { lora: { ...config.lora, dropout: 0 } }) };
}

function modelOf({ frozen, files }: Job): Model<GptParams> {
  if (files !== undefined) return gptModel(configOf(files));
  if (frozen !== undefined) return freezeMatching(gptModel(config), frozen);
  const targets = ["query", "value", "output", "gate", "down"] as const;
  return gptModel({ ...config, lora: { ...lora, targets } });
}

async function trained(world: World, job: Job): Promise<Trained> {
  const { parallel, steps, folder, resume, files } = job;
  const model = modelOf(job);
  const run = await planRun(world, {
    model,
    data: { train: createFeed(train, { order: sequentialOrder(train.count) }) },
    batch: { micro: 1, global: 4 },
    duration: { steps },
    parallel,
    optimizer: { kind: "adamw", weightDecay: 0.1 },
    schedule: { kind: "constant", peak: 0.01, floor: 0, warmup: 0, total: 100 },
    seed: SEED,
    ...(files && { weights: (spec) => readOpenModel(openFiles(files), spec) }),
    logInterval: 1,
    resume: resume === undefined ? undefined : latestCheckpoint(resume),
    ...(folder !== undefined && { checkpoints: { folder } }),
  });
  const losses: number[] = [];
  const gradientNorms: number[] = [];
  const liveTensors: number[] = [];
  const { state } = await trainRun(run, {
    reporter: () => ({
      ...silent,
      metrics({ loss, grad_norm: norm }) {
        losses.push(loss!);
        gradientNorms.push(norm!);
        liveTensors.push(memory().numTensors);
      },
    }),
  });
  const { params, optimizer } = gatherFullState(run.plan, state);
  const before: Tree = materialize(fullModel(model).spec, SEED);
  const unchanged: string[] = [];
  const weights: Record<string, Float32Array> = {};
  for (const [path, leaf] of leaves<Tensor>(params)) {
    const values = leaf.dataSync<"float32">();
    const first = Buffer.from(leafAt<Tensor>(before, path)!.dataSync<"float32">().buffer);
    if (first.equals(Buffer.from(values.buffer))) unchanged.push(path);
    else weights[path] = values;
  }
  const withMoments = Object.values(optimizer).flatMap((slot) =>
    leaves(slot).map(([path]) => path),
  );
  for (const tree of [params, optimizer, before, state.params, state.optimizer]) disposeTree(tree);
  return { losses, gradientNorms, liveTensors, unchanged, withMoments, weights };
}

/** Whether the run of `job` would train the parameter at `path`. */
export const isTrained = ({ frozen }: Job, path: string): boolean =>
  frozen === undefined ? isLoraPath(path) : !path.startsWith("embedding.");

/** Of each job, one after another. */
export async function main(world: World, jobs: readonly Job[]): Promise<Trained[]> {
  enableProdMode(); // no advice to install another backend
  await setBackend("cpu");
  const all: Trained[] = [];
  for (const job of jobs) all.push(await trained(world, job));
  return all;
}
