// A rank, as a process of its own, that trains layouts one after another and prints how often JavaScript read
// a tensor in the steps of each, apart from those whose figures are logged.

import { enableProdMode, engine, setBackend } from "@tensorflow/tfjs-core";
import type { World } from "@tessera/collectives";
import { joinWorld } from "@tessera/collectives-mpi";
import type { GptParams } from "@tessera/gpt";
import { loadNative, type CpuBackend } from "@tessera/kernels-native";
import { disposeTree, materialize } from "@tessera/params";
import { initialTrainingState, train } from "@tessera/trainer/loop";
import type { Reporter } from "@tessera/trainer/report";
import { planOf, type Job, type Layout } from "./layouts.js";

/** Of these, the first and the last are logged. */
const STEPS = 5;

/** The reads of every step but the first and the last. */
async function countReads(world: World, job: Job, layout: Layout): Promise<number[]> {
  const backend = engine().backend as unknown as CpuBackend;
  const plan = {
    ...planOf(world, job, layout),
    intervals: { steps: STEPS, logging: STEPS, evaluation: 0, saving: 0 },
  };
  const weights = materialize<GptParams>(plan.model.spec, plan.seed, plan.weightShard);
  const readsAfter: number[] = [];
  const ignore = (): void => undefined;
  const reporter: Reporter = {
    tick: () => void readsAfter.push(backend.hostReads),
    phase: ignore,
    metrics: ignore,
    note: ignore,
    end: ignore,
  };
  const saver = { save: () => Promise.resolve(), retain: ignore, check: ignore };
  const { state } = await train(plan, initialTrainingState(plan, weights), { reporter, saver });
  for (const tree of [state.params, state.optimizer]) disposeTree(tree);
  return readsAfter.slice(1, -1).map((reads, i) => reads - readsAfter[i]!);
}

const world = joinWorld(process.env);
enableProdMode();
loadNative({ ...process.env, OMP_NUM_THREADS: "1" });
await setBackend("native");
const job = JSON.parse(process.argv[2]!) as Job;
const reads: number[][] = [];
for (const layout of job.layouts) reads.push(await countReads(world, job, layout));
process.stdout.write(`reads ${JSON.stringify(reads)}\n`);
world.close();
