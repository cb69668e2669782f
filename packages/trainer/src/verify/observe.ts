// What a run computes, in the order in which it does: activations and gradients of its first step, losses, norms, what
// its steps change, and what a run does that continues it.

import { add, mul, sub, tidy, type Tensor } from "@tensorflow/tfjs-core";
import type { World } from "@tessera/collectives";
import { call, convert, randomNormal, randomSlice } from "@tessera/kernels";
import type { ShardIndex } from "@tessera/mesh";
import { groupOf } from "@tessera/optim";
import { disposeTree, leafAt, leaves, mapTree, materialize, type Tree } from "@tessera/params";
import { fullSlice, streamKey } from "@tessera/random";
import { batchAfter, type TrainingPlan } from "../plan.js";
import { silent } from "../reporter.js";
import { planRun, type Run } from "../run/plan_run.js";
import type { RunConfig } from "../run/run_config.js";
import { startRun, trainRun } from "../run/train_run.js";
import { gatherOnFirstRank, type TrainingState } from "../state.js";
import { sumGradients } from "../step.js";
import { watchModel, type Activation } from "./watch_model.js";

/** Kinds of what is compared, in the order of a step. */
export const KINDS = [
  "output",
  "input gradient",
  "output gradient",
  "gradient",
  "loss",
  "gradient norm",
  "update",
] as const;
export type Kind = (typeof KINDS)[number];

/** Values that a run computed. */
export interface Reading {
  readonly kind: Kind;
  /** Path of the layer or parameter; "" of what belongs to the whole model. */
  readonly path: string;
  /** What tells it from others of its kind and path: "rows from 4", "step 2". */
  readonly when: string;
  readonly values: Float32Array;
  /** Of a gradient: what the optimizer is given in its place, with its L2 term. Default: `values`. */
  readonly decayed?: Float32Array;
  /** The shard of the time [batch, time, hidden] that it has. Default: all. */
  readonly tokens?: ShardIndex;
  /** Rows of the microbatch, where it is one's. */
  readonly rows?: number;
}

/** What tells a reading from the others of a run. */
export const keyOf = ({ kind, path, when }: Pick<Reading, "kind" | "path" | "when">): string =>
  `${kind} ${path} ${when}`;

/** When gradients are read. */
export const FIRST = "step 1";
/** Steps until a run is saved and continued. */
export const STEPS = 2;

const valuesOf = (x: Tensor): Float32Array => {
  const { y } = call(convert, { x }, { storage: "fp32" });
  const values = y.dataSync<"float32">();
  y.dispose();
  return values;
};

/** The leaves of `tree`, last ones first, which is the order of backward. Consumes it. */
function readTree(tree: Tree, kind: Kind, when: string): Reading[] {
  const readings = leaves<Tensor>(tree).map(([path, x]) => ({
    kind,
    path,
    when,
    values: valuesOf(x),
  }));
  disposeTree(tree);
  return readings.reverse();
}

/** What a run computed, and where it stands. */
export interface Observed<P extends Tree> {
  readonly readings: readonly Reading[];
  /** Full weights before the first step, on the first rank; null on the others. */
  readonly initial: P | null;
  readonly state: TrainingState<P>;
}

/**
 * Takes `STEPS` steps of `config` and saves the state in `folder`. Called by all ranks. Each gets the activations that it
 * saw; the first one all else too. The caller owns the tensors.
 */
export async function observe<P extends Tree>(
  world: World,
  config: RunConfig<P>,
  folder: string,
): Promise<Observed<P>> {
  const seen = new Map<string, Reading>();
  let isWatched = true;
  const model = watchModel(config.model, (activation) => {
    if (!isWatched) return;
    const reading = readActivation(activation);
    const key = keyOf(reading);
    // Recomputation shows it again.
    if (!seen.has(key)) seen.set(key, reading);
  });
  const run = await planRun(world, {
    ...config,
    model,
    duration: { steps: STEPS },
    checkpoints: { folder, async: false },
  });
  const { plan } = run;
  const start = startRun(run);
  const { sums, gradients } = sumGradients(plan, start, batchAfter(plan, 0), 1);
  isWatched = false;
  const [, counted] = sums.dataSync();
  sums.dispose();
  const full = gatherOnFirstRank(plan, { params: start.params, optimizer: { gradients } });
  disposeTree(gradients);
  const read = full === null ? [] : readTree(full.optimizer["gradients"]!, "gradient", FIRST);
  const initial = full && takeCopy(full.params);
  const { readings, state } = await trainAndRead(run, initial, start);
  const norm = readings.find(({ kind }) => kind === "gradient norm")?.values[0] ?? 0;
  const scale = Math.min((plan.clipNorm || Infinity) / norm, 1) / counted!;
  const decayed = read.map((one) => ({ ...one, decayed: withL2(one, initial!, plan, scale) }));
  return { readings: [...seen.values(), ...decayed, ...readings], initial, state };
}

/**
 * Takes one step more than `observe`, from where it stands, or from the checkpoint in `resume`, saved under any layout.
 * Called by all ranks. Consumes the state.
 */
export async function observeLonger<P extends Tree>(
  world: World,
  config: RunConfig<P>,
  { initial, state: start }: Pick<Observed<P>, "initial"> & Partial<Observed<P>>,
  resume?: string,
): Promise<readonly Reading[]> {
  const run = await planRun(world, { ...config, resume, duration: { steps: STEPS + 1 } });
  const { readings, state } = await trainAndRead(run, initial, start);
  disposeState(state);
  const last = `step ${STEPS + 1}`;
  return readings.filter(({ kind, when }) => kind === "update" || when === last);
}

/** A gradient with the L2 term that the optimizer adds once it has multiplied the gradient by `scale`. */
function withL2(
  { path, values }: Reading,
  initial: Tree,
  { optimizer }: TrainingPlan,
  scale: number,
): Float32Array {
  const l2 = groupOf(optimizer, path).optimizer.l2?.(path) ?? 0;
  if (l2 === 0) return values;
  const weights = leafAt<Tensor>(initial, path)!.dataSync();
  return values.map((gradient, i) => gradient + (l2 * weights[i]!) / scale);
}

/** A copy of weights that training overwrites, which on one rank are those that were gathered. Consumes them. */
function takeCopy<P extends Tree>(weights: P): P {
  const copy = mapTree<Tree, Tensor, Tensor>(weights, (leaf) => add(leaf, 0)) as P;
  disposeTree(weights);
  return copy;
}

export function disposeState<P extends Tree>({ params, optimizer }: TrainingState<P>): void {
  for (const tree of [params, optimizer]) disposeTree(tree);
}

/**
 * Trains `run` from `start`, which it consumes. The first rank gets losses, norms, and what changed from the full weights
 * `initial`. The caller owns the state.
 */
async function trainAndRead<P extends Tree>(
  run: Run<P>,
  initial: P | null,
  start?: TrainingState<P>,
): Promise<Pick<Observed<P>, "readings" | "state">> {
  const figures: Reading[] = [];
  const { state } = await trainRun(run, {
    ...(start !== undefined && { start }),
    reporter: () => ({
      ...silent,
      metrics({ step, loss, grad_norm: norm }) {
        const of = (kind: Kind, value: number): Reading => ({
          kind,
          path: "",
          when: `step ${step}`,
          values: Float32Array.of(value),
        });
        figures.push(of("loss", loss!), of("gradient norm", norm!));
      },
    }),
  });
  const full = gatherOnFirstRank(run.plan, { params: state.params, optimizer: {} });
  if (full === null) return { readings: [], state };
  const updates = readTree(changesOf(full.params, initial!), "update", `up to step ${state.step}`);
  return { readings: [...figures, ...updates], state };
}

/** What of the full weights is not as `initial`. Consumes `params`. */
function changesOf(params: Tree, initial: Tree): Tree {
  const old = new Map(leaves<Tensor>(initial));
  const changes = mapTree<Tree, Tensor, Tensor>(params, (leaf, path) => sub(leaf, old.get(path)!));
  disposeTree(params);
  return changes;
}

const readActivation = ({ what, layer, firstRow, x, tokens }: Activation): Reading => ({
  kind: what,
  path: layer,
  when: `rows from ${firstRow}`,
  values: valuesOf(x),
  tokens,
  rows: x.shape[0],
});

/** Initial weights of a model, each of which is off by about `epsilon` of itself: as rounding would change them. */
export const nudgedWeights = <P extends Tree>(
  spec: Parameters<NonNullable<RunConfig<P>["weights"]>>[0],
  seed: number,
  epsilon: number,
): P =>
  mapTree(materialize<Tree>(spec, seed), (leaf: Tensor, path) =>
    tidy(() => {
      const slice = randomSlice(fullSlice(leaf.shape), streamKey(seed, `nudge ${path}`));
      const factors = call(randomNormal, {}, { ...slice, mean: 1, std: epsilon }).y;
      const nudged: Tensor = mul(leaf, factors);
      leaf.dispose();
      return nudged;
    }),
  ) as P;
