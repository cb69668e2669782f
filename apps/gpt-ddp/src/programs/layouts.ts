// A rank of the layouts' test: trains the golden model under a list of layouts, one after the other.

import "@tensorflow/tfjs-backend-cpu";
import { enableProdMode, memory, setBackend, type Tensor } from "@tensorflow/tfjs-core";
import { readModel, readModelConfig } from "@tessera/checkpoint";
import { meshGroups, type World } from "@tessera/collectives";
import { resolveBatch } from "@tessera/config";
import { sequentialOrder, type Samples } from "@tessera/data";
import { disagreement, fullyShard, replicate, shardAll } from "@tessera/data-parallel";
import { evenDropout, gpt, type GptParams } from "@tessera/gpt";
import { loadNative } from "@tessera/kernels-native";
import { disposeTree, leaves } from "@tessera/layers";
import { partOf, shareOf, split, splitTokens, tensorAxis } from "@tessera/tensor-parallel";
import { adam, decayOf } from "@tessera/optim";
import { freshState, takeStep, wholeState, type TrainingPlan } from "@tessera/trainer";

export interface Layout {
  /** Ranks that share each layer; the others see other samples. */
  readonly tensor?: number;
  /** Whether they share the tokens too, outside of the products. */
  readonly sequence?: boolean;
  readonly stage: 0 | 1 | 2 | 3;
  readonly accumulation: number;
  readonly dropout: number;
  readonly steps: number;
  readonly bucketBytes: number;
}

export interface Job {
  /** The model to start from, in Hugging Face's layout. */
  readonly folder: string;
  /** Rows of tokens, the last of each a target only. */
  readonly tokens: readonly (readonly number[])[];
  readonly layouts: readonly Layout[];
}

export interface Trained {
  readonly losses: readonly number[];
  readonly norms: readonly number[];
  /** By path. */
  readonly weights: Readonly<Record<string, Float32Array>>;
  /** Tensors that a step left behind. */
  readonly leaked: number;
  /** The first weight on which ranks differ. */
  readonly disagreement: string | null;
}

const ROWS_PER_STEP = 32;

const samplesOf = (tokens: Job["tokens"]): Samples => ({
  count: tokens.length,
  length: tokens[0]!.length - 1,
  read: (index, out) => out.set(tokens[index]!),
});

function planOf(world: World, { folder, tokens }: Job, layout: Layout): TrainingPlan {
  const { stage, accumulation, bucketBytes, tensor: degree = 1, sequence = false } = layout;
  const config = { ...readModelConfig(folder), dropout: evenDropout(layout.dropout) };
  const dataRanks = world.size / degree;
  const { data, tensor } = meshGroups(world, { pipeline: 1, data: dataRanks, tensor: degree });
  const region = (sequence ? splitTokens : split)(tensor);
  const part = region.inside;
  const around = stage === 3 ? { around: shardAll(data, part) } : {};
  const model = gpt(config, { region, ...around });
  const adamW = { beta1: 0.9, beta2: 0.95, epsilon: 1e-8, weightDecay: 0.1, decoupled: true };
  const samples = samplesOf(tokens);
  return {
    model,
    optimizer: adam(adamW, decayOf(model.spec)),
    schedule: { kind: "constant", peak: 1e-3, floor: 0, warmup: 4, total: 100 },
    batch: resolveBatch({
      microBatch: ROWS_PER_STEP / (accumulation * dataRanks),
      accumulation,
      dataRanks,
    }),
    sharing:
      stage === 3
        ? fullyShard<GptParams>(model.spec, data, part)
        : replicate<GptParams>(model.spec, data, { stage, bucketBytes, part }),
    tensor: tensorAxis(model.spec, region, tensor),
    clipNorm: 1,
    lossScaling: null,
    seed: 7,
    train: samples,
    order: sequentialOrder(samples.count),
    validation: null,
    evalBatch: 1,
    intervals: { steps: 100, logging: 1, evaluation: 0, saving: 0 },
  };
}

function trained(world: World, job: Job, layout: Layout): Trained {
  const plan = planOf(world, job, layout);
  const { model, tensor } = plan;
  const whole = readModel(job.folder, model.config);
  let state = freshState(plan, shareOf(whole, model.spec, partOf(tensor)));
  const losses: number[] = [];
  const norms: number[] = [];
  const before = memory().numTensors;
  let leaked = 0;
  for (let step = 0; step < layout.steps; step += 1) {
    const taken = takeStep(plan, state);
    state = taken.state;
    losses.push(taken.report.loss.dataSync()[0]!);
    norms.push(taken.report.gradientNorm.dataSync()[0]!);
    disposeTree({ loss: taken.report.loss, norm: taken.report.gradientNorm });
    leaked = Math.max(leaked, Math.abs(memory().numTensors - before));
  }
  const end = wholeState(plan, state);
  const differs = disagreement(end.params, world.all);
  const weights = Object.fromEntries(
    leaves<Tensor>(end.params).map(([path, x]) => [path, x.dataSync<"float32">()]),
  );
  for (const tree of [end.params, state.params]) disposeTree(tree);
  for (const tree of [end.optimizer, state.optimizer]) disposeTree(tree);
  return { losses, norms, weights, leaked, disagreement: differs };
}

export async function main(world: World, job: Job): Promise<Trained[]> {
  enableProdMode();
  await setBackend(loadNative({ ...process.env, OMP_NUM_THREADS: "1" }) ? "native" : "cpu");
  return job.layouts.map((layout) => trained(world, job, layout));
}
