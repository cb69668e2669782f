// A run in small on all ranks and on the first alone, with activations in one storage.

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { deserialize, serialize } from "node:v8";
import { latestCheckpoint } from "@tessera/checkpoint";
import { singleWorld, type World } from "@tessera/collectives";
import { RunError } from "@tessera/config";
import type { FloatStorage } from "@tessera/kernels/memory";
import { fullModel } from "@tessera/model";
import { disposeTree, type Tree } from "@tessera/params";
import { planRun } from "../run/plan_run.js";
import { resolveRun } from "../run/resolve_run.js";
import type { RunConfig } from "../run/run_config.js";
import {
  compare,
  expect,
  mergeSummaries,
  type Difference,
  type Expected,
  type Summary,
} from "./compare.js";
import { crossingsOf } from "./crossings.js";
import type { NarrowRun } from "./narrow_run.js";
import { disposeState, nudgedWeights, observe, observeLonger, type Reading } from "./observe.js";

/** What is done, in this order. */
export const STAGES = [
  "one rank",
  "one rank, nudged",
  "all ranks",
  "each other's checkpoints",
] as const;

/** What was compared: steps from the start, or those that continue a checkpoint of other ranks. */
const PHASES = ["from the start", "where one rank continues", "where all ranks continue"] as const;
/** One of them, in words. */
export type Phase = (typeof PHASES)[number];

/** The first difference of a run, and where to look for its cause. */
export interface Fault extends Difference {
  readonly storage: FloatStorage;
  readonly phase: Phase;
  readonly rank: number;
  /** The boundaries between ranks that it has crossed since what is still right, in words. */
  readonly crossings: readonly string[];
}

/** Half a unit in the last place of 1, by storage. */
const EPSILON: Readonly<Record<FloatStorage, number>> = {
  fp32: 2 ** -24,
  bf16: 2 ** -8,
  fp16: 2 ** -11,
};

interface StorageOptions {
  /** That all ranks share. */
  readonly folder: string;
  readonly storage: FloatStorage;
  /** Called on the first rank. */
  readonly onStage: (stage: (typeof STAGES)[number]) => void;
}

/** What a rank found. */
interface Found {
  readonly differences: readonly Difference[];
  readonly summary: Summary;
}

/** The first fault of a run in small, how many there are, and how far all else is apart. Called by all ranks. */
export async function verifyStorage<P extends Tree>(
  world: World,
  run: NarrowRun<P>,
  options: StorageOptions,
) {
  const { folder, storage, onStage } = options;
  const epsilon = EPSILON[storage];
  const { plan } = await planRun(world, run.config);
  const alone = run.alone(plan.batch.globalBatch);
  const { expected, initial } = await expectOnFirst(world, alone, options);
  const found = (readings: readonly Reading[]): Found =>
    compare(chosen(readings, storage), expected, epsilon);
  const tell = (stage: (typeof STAGES)[number]): void => {
    if (world.rank === 0) onStage(stage);
  };
  tell("all ranks");
  const all = await observe(world, run.config, join(folder, "all"));
  disposeState(all.state);
  const fromStart = found(all.readings);
  world.all.barrier();
  tell("each other's checkpoints");
  const goOn = async (
    by: World,
    config: RunConfig<P>,
    from: P | null,
    name: string,
  ): Promise<Found> => {
    const checkpoint = latestCheckpoint(join(folder, name))!;
    const readings = await observeLonger(by, config, { initial: from }, checkpoint);
    if (from !== null) disposeTree(from);
    return found(readings);
  };
  const continuedByOne = initial && (await goOn(singleWorld(), alone, initial, "all"));
  const continuedByAll = await goOn(world, run.config, all.initial, "alone");
  const own: Record<Phase, Found> = {
    "from the start": fromStart,
    "where one rank continues": continuedByOne ?? { differences: [], summary: {} },
    "where all ranks continue": continuedByAll,
  };
  const gathered = gatherFound(world, folder, own);
  const faults = gathered.flatMap((of, rank) =>
    PHASES.flatMap((phase) =>
      of[phase].differences.map((one) => ({ ...one, storage, phase, rank })),
    ),
  );
  const first = faults.toSorted(byOrder)[0];
  const crossings = (): readonly string[] =>
    crossingsOf(first!, resolveRun(run.config, world.size).parallel, fullModel(alone.model).spec);
  return {
    differing: faults.length,
    summary: mergeSummaries(gathered.flatMap((of) => PHASES.map((phase) => of[phase].summary))),
    fault: first === undefined ? null : { ...first, crossings: crossings() },
  };
}

type Ordered = Pick<Fault, "phase" | "order" | "rank">;

const byOrder = (a: Ordered, b: Ordered): number =>
  PHASES.indexOf(a.phase) - PHASES.indexOf(b.phase) || a.order - b.order || a.rank - b.rank;

/** Where no token counts, all losses and gradients are 0, and nothing is verified. */
function refuseMasked(readings: readonly Reading[]): void {
  const loss = readings.find(({ kind }) => kind === "loss")!;
  if (loss.values[0] !== 0) return;
  throw new RunError(
    "the loss of the first tokens of the first samples is 0: nothing is verified by that; give other data",
  );
}

/** In 16 bits rounding turns too many of Adam's steps around; the optimizer computes in fp32 there too. */
const chosen = (readings: readonly Reading[], storage: FloatStorage): readonly Reading[] =>
  storage === "fp32" ? readings : readings.filter(({ kind }) => kind !== "update");

/** What must be, and on the first rank the full weights before the first step. */
interface ExpectedRun<P extends Tree> {
  readonly expected: ReadonlyMap<string, Expected>;
  readonly initial: P | null;
}

/** What the first rank expects, on all ranks, which wait for it. The others have activations alone to compare. */
async function expectOnFirst<P extends Tree>(
  world: World,
  alone: RunConfig<P>,
  options: StorageOptions,
): Promise<ExpectedRun<P>> {
  const file = join(options.folder, "expected");
  if (world.rank > 0) {
    world.all.barrier();
    return {
      expected: deserialize(readFileSync(file)) as ReadonlyMap<string, Expected>,
      initial: null,
    };
  }
  const { expected, initial } = await expectAlone(alone, options);
  const activations = [...expected].filter(([, { reading }]) => reading.tokens !== undefined);
  writeFileSync(file, serialize(new Map(activations)));
  world.all.barrier();
  return { expected, initial };
}

/** What one rank computes without a break, and how far rounding takes it. */
async function expectAlone<P extends Tree>(
  alone: RunConfig<P>,
  { folder, storage, onStage }: StorageOptions,
): Promise<ExpectedRun<P>> {
  const epsilon = EPSILON[storage];
  const observeAll = async (config: RunConfig<P>, name: string) => {
    const begun = await observe(singleWorld(), config, join(folder, name));
    const longer = await observeLonger(singleWorld(), config, begun);
    return { initial: begun.initial, readings: [...begun.readings, ...longer] };
  };
  onStage("one rank");
  const { readings, initial } = await observeAll(alone, "alone");
  refuseMasked(readings);
  onStage("one rank, nudged");
  const weights: RunConfig<P>["weights"] = (spec) =>
    nudgedWeights<P>(spec, alone.seed ?? 1234, epsilon);
  const nudged = await observeAll({ ...alone, weights }, "nudged");
  disposeTree(nudged.initial!);
  return { expected: expect(chosen(readings, storage), nudged.readings, epsilon), initial };
}

/** What every rank found, on all of them. */
function gatherFound(
  world: World,
  folder: string,
  own: Record<Phase, Found>,
): readonly Record<Phase, Found>[] {
  const fileOf = (rank: number): string => join(folder, `found-${rank}`);
  writeFileSync(fileOf(world.rank), serialize(own));
  world.all.barrier();
  return Array.from(
    { length: world.size },
    (_, rank) => deserialize(readFileSync(fileOf(rank))) as Record<Phase, Found>,
  );
}
