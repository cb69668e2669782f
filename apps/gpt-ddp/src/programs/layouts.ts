// A rank of the layouts' test: trains the golden model under a list of layouts, one after the other.

import "@tensorflow/tfjs-backend-cpu";
import { engine, memory, type Tensor } from "@tensorflow/tfjs-core";
import { readModel, readModelConfig } from "@tessera/checkpoint";
import type { Traffic, World } from "@tessera/collectives";
import { resolveBatch, type EvenRamp } from "@tessera/config";
import { createFeed, sequentialOrder, type Feed, type Samples } from "@tessera/data";
import { findDivergence, type SumOrder } from "@tessera/data-parallel";
import { gptConfig, gptModel, uniformDropout, type GptConfig, type GptParams } from "@tessera/gpt";
import { CpuBackend, isAvailable } from "@tessera/kernels-native";
import { chooseBackend, type BackendName } from "@tessera/engines";
import {
  disposeTree,
  leafAt,
  leaves,
  mapTree,
  materialize,
  type ParamSpec,
  type Tree,
  type TreeOf,
} from "@tessera/params";
import type { FloatStorage } from "@tessera/kernels/memory";
import { fullModel, type Recomputation } from "@tessera/model";
import type { ScheduleKind } from "@tessera/pipeline-parallel";
import { shardParams } from "@tessera/tensor-parallel";
import { adam, decayOf, partitioned, sgd, skipFrozen, type Optimizer } from "@tessera/optim";
import type { TrainingPlan, TrainingState } from "@tessera/trainer";
import {
  batchAfter,
  initialTrainingState,
  parallelize,
  sumGradients,
  takeStep,
  readScalar,
  gatherFullState,
} from "@tessera/trainer/loop";

export interface Layout {
  /** Ranks that share each layer, and those that share the layers; the others see other samples. */
  readonly tensor?: number;
  readonly pipeline?: number;
  readonly schedule?: ScheduleKind;
  /** Parts of the model on each stage. */
  readonly chunks?: number;
  /** Whether they share the tokens too, outside of the products. */
  readonly sequence?: boolean;
  /** What is not as in the folder's model, whose weights are then drawn. */
  readonly changes?: Partial<GptConfig>;
  readonly storage?: FloatStorage;
  readonly recompute?: Recomputation;
  /** Whether each row counts as many of its tokens as its first one says. */
  readonly masked?: boolean;
  /** Whether SGD updates norms and embeddings, at ten times the rate, and AdamW the rest. */
  readonly groups?: boolean;
  /** Rows of a step, over all ranks and micro-batches. */
  readonly rows?: number;
  /** Learning rate. Default: 1e-3 after four steps of warm-up. */
  readonly rate?: { readonly peak: number; readonly warmup: number };
  /** How the batch grows to `rows`. Default: it is full from the start. */
  readonly ramp?: Omit<EvenRamp, "full">;
  /** Whether losses are all that is compared: the model is then never brought together. */
  readonly lossesOnly?: boolean;
  readonly stage: 0 | 1 | 2 | 3;
  /** Default: fixed. */
  readonly sumOrder?: SumOrder;
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
  /** What computes. Default: `native`, or where it is not built, `cpu`. */
  readonly backend?: BackendName;
}

export type ByPath = Readonly<Record<string, Float32Array>>;

export interface Trained {
  readonly losses: readonly number[];
  readonly norms: readonly number[];
  /** Samples taken, after each step. */
  readonly consumed: readonly number[];
  /** At the end, by path. */
  readonly weights: ByPath;
  /** Of the first step. */
  readonly gradients: ByPath;
  /** What had gone between tensor-parallel ranks before the first step, and after it. */
  readonly traffic: readonly Traffic[];
  /** The most bytes that this rank's tensors took; null where the backend does not count. */
  readonly peakBytes: number | null;
  /** Tensors that a step left behind. */
  readonly leaked: number;
  /** The first weight on which ranks differ. */
  readonly disagreement: string | null;
}

type Plan = TrainingPlan<GptParams>;
type State = TrainingState<GptParams>;

const ROWS_PER_STEP = 32;

const samplesOf = (tokens: Job["tokens"]): Samples => ({
  count: tokens.length,
  length: tokens[0]!.length - 1,
  read: (index, out) => out.set(tokens[index]!),
});

/** A feed whose rows count some of their tokens, each another number of them. */
const unevenly = (feed: Feed): Feed => ({
  ...feed,
  batch(first, size) {
    const rows = feed.batch(first, size);
    const { inputs, time } = rows;
    const isCounted = (i: number): boolean => i % time < inputs[i - (i % time)]! % time;
    return { ...rows, lossMask: Float32Array.from(inputs, (_id, i) => Number(isCounted(i))) };
  },
});

const FP16 = { initial: 2 ** 10, minimum: 1, window: 100, hysteresis: 1 };

export function planOf(
  world: World,
  { folder, tokens }: Job,
  layout: Layout,
): TrainingPlan<GptParams> {
  const { stage: zeroStage, accumulation, bucketBytes, tensor = 1, pipeline = 1 } = layout;
  const { storage = "fp32", recompute, rows = ROWS_PER_STEP, ramp } = layout;
  const { rate = { peak: 1e-3, warmup: 4 } } = layout;
  const data = world.size / (tensor * pipeline);
  const model = gptModel(configOf(folder, layout));
  const { spec } = fullModel(model);
  const optimizer = skipFrozen(optimizerFor(spec, layout), spec);
  const laidOut = parallelize(
    world,
    model,
    {
      tensor,
      pipeline,
      sequence: layout.sequence ?? false,
      zeroStage,
      ...(layout.sumOrder && { sumOrder: layout.sumOrder }),
      bucketBytes,
      schedule: layout.schedule ?? "1f1b",
      chunks: layout.chunks ?? 1,
    },
    { storage, optimizer, ...(recompute && { recompute }) },
  );
  const samples = samplesOf(tokens);
  const feed = createFeed(samples, { order: sequentialOrder(samples.count) });
  return {
    ...laidOut,
    optimizer,
    schedule: { kind: "constant", ...rate, floor: 0, total: 100 },
    batch: resolveBatch({
      microBatch: rows / (accumulation * data),
      accumulation,
      dataRanks: data,
    }),
    ...(ramp && { ramp: { ...ramp, full: rows } }),
    clipNorm: 1,
    lossScaling: layout.storage === "fp16" ? FP16 : null,
    seed: 7,
    train: layout.masked ? unevenly(feed) : feed,
    validation: null,
    evalBatch: 1,
    intervals: { steps: 100, logging: 1, evaluation: 0, saving: 0 },
  };
}

function optimizerFor(spec: TreeOf<ParamSpec>, { groups = false }: Layout): Optimizer {
  const options = { beta1: 0.9, beta2: 0.95, epsilon: 1e-8, weightDecay: 0.1, decoupled: true };
  const adamW = adam(options, decayOf(spec));
  if (!groups) return adamW;
  return partitioned(spec, [
    {
      match: (path) => /norm|embedding/i.test(path),
      optimizer: sgd({ momentum: 0.9, weightDecay: 0 }, decayOf(spec)),
      learningRateScale: 10,
    },
    { match: () => true, optimizer: adamW },
  ]);
}

const configOf = (folder: string, { dropout, changes }: Layout): GptConfig =>
  gptConfig({ ...readModelConfig(folder), dropout: uniformDropout(dropout), ...changes });

/** The values of a tree. Consumes it. */
function valuesOf(tree: Tree): ByPath {
  const named = leaves<Tensor>(tree).map(([path, x]) => [path, x.dataSync<"float32">()]);
  disposeTree(tree);
  return Object.fromEntries(named) as ByPath;
}

/** Full gradients of the next step. */
function gradientsAt(plan: Plan, state: State): ByPath {
  const { sums, gradients } = sumGradients(plan, state, batchAfter(plan, state.consumedSamples), 1);
  const { params, optimizer } = gatherFullState(plan, {
    params: state.params,
    optimizer: { gradients },
  });
  for (const tree of [{ sums }, gradients, params]) disposeTree(tree);
  return valuesOf(optimizer["gradients"]!);
}

/** This rank's shard of the golden weights. */
function goldenWeights({ model: { spec }, weightShard }: Plan, folder: string): GptParams {
  const whole = readModel(folder, readModelConfig(folder));
  const ofStage: GptParams = mapTree(spec, (_leaf: ParamSpec, path) =>
    leafAt<Tensor>(whole, path)!.clone(),
  );
  disposeTree(whole);
  return shardParams<GptParams>(ofStage, spec, weightShard);
}

function trained(world: World, job: Job, layout: Layout): Trained {
  const { backend } = engine();
  if (backend instanceof CpuBackend) backend.resetPeakMemory();
  const plan = planOf(world, job, layout);
  const { model, axes, weightShard, seed } = plan;
  const tensor = axes.find(({ name }) => name === "tensor")!;
  let state = initialTrainingState(
    plan,
    layout.changes === undefined
      ? goldenWeights(plan, job.folder)
      : materialize<GptParams>(model.spec, seed, weightShard),
  );
  const gradients = layout.lossesOnly ? {} : gradientsAt(plan, state);
  const losses: number[] = [];
  const norms: number[] = [];
  const consumed: number[] = [];
  const before = memory().numTensors;
  let leaked = 0;
  const traffic = [structuredClone(tensor.group.traffic)];
  for (let step = 0; step < layout.steps; step += 1) {
    const taken = takeStep(plan, state);
    state = taken.state;
    if (step === 0) traffic.push(structuredClone(tensor.group.traffic));
    consumed.push(state.consumedSamples);
    losses.push(readScalar(taken.report.loss));
    norms.push(readScalar(taken.report.gradientNorm));
    disposeTree({ loss: taken.report.loss, norm: taken.report.gradientNorm });
    leaked = Math.max(leaked, Math.abs(memory().numTensors - before));
  }
  const end = layout.lossesOnly ? { weights: {}, disagreement: null } : endOf(world, plan, state);
  for (const tree of [state.params, state.optimizer]) disposeTree(tree);
  const { peak: peakBytes = null } = memory() as { readonly peak?: number };
  return { losses, norms, consumed, gradients, traffic, peakBytes, leaked, ...end };
}

/** Full weights, and whether replicas agree on them. */
function endOf(world: World, plan: Plan, state: State) {
  const { params, optimizer } = gatherFullState(plan, state);
  disposeTree(optimizer);
  const differs = findDivergence(params, world.all);
  return { weights: valuesOf(params), disagreement: differs };
}

export async function main(world: World, job: Job): Promise<Trained[]> {
  const usual = isAvailable() ? "native" : "cpu";
  await chooseBackend(job.backend ?? usual, { ...process.env, OMP_NUM_THREADS: "1" });
  return job.layouts.map((layout) => trained(world, job, layout));
}
