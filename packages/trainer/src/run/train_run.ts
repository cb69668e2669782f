// Trains a planned run: from fresh weights, given ones or a checkpoint, to its end or a signal.

import type { Tensor } from "@tensorflow/tfjs-core";
import { disposeTree, leafAt, mapTree, materialize, type Tree } from "@tessera/params";
import { isFirstRank } from "@tessera/parallel";
import { shardParams } from "@tessera/tensor-parallel";
import { checkReplicasAgree } from "../check_replicas.js";
import type { Saver } from "../checkpoints.js";
import { consoleReporter, silent, type Reporter } from "../reporter.js";
import { resumeRun } from "../saved_state.js";
import { initialTrainingState, type TrainingState } from "../state.js";
import { train, type TrainingResult } from "../train.js";
import type { Run } from "./plan_run.js";

/** Where a run begins, what a program is told of it, and how it stops one. */
export interface RunHooks<P extends Tree = Tree> {
  /** What the run goes on from; consumed. Default: what `startRun` returns, which is what the run's config says. */
  readonly start?: TrainingState<P>;
  /** Called once before the first step, with the state that it starts from. */
  readonly onStart?: (start: TrainingState<P>) => void;
  /** Creates this rank's reporter. Default: lines on stdout of the first rank. */
  readonly reporter?: (start: TrainingState<P>) => Reporter;
  /** Once aborted, the run saves after the step and ends. */
  readonly signal?: AbortSignal;
  /**
   * Called by all ranks once all is saved, with the path of the checkpoint of the last state on the first one, else
   * null. Where that was the end of the run before, which may have been killed since, it is called again.
   */
  readonly onTrained?: (result: TrainingResult<P>, checkpoint: string | null) => void;
}

/**
 * The state that `run` starts from. Called by all ranks of the world. The caller owns it.
 * @throws UserError where the checkpoint is damaged or of another run, or where replicas differ.
 */
export function startRun<P extends Tree>(run: Run<P>): TrainingState<P> {
  const start = firstState(run);
  checkReplicasAgree(run.plan, start);
  return start;
}

function firstState<P extends Tree>({ config, plan }: Run<P>): TrainingState<P> {
  const { resume, resumedPart, names } = config;
  if (resume !== undefined) return resumeRun(plan, resume, resumedPart, names);
  const { spec } = plan.model;
  const weights =
    config.weights === undefined
      ? materialize<P>(spec, plan.seed, plan.weightShard)
      : takeShard(plan, config.weights(spec));
  return initialTrainingState(plan, weights);
}

/** What this rank holds of `full` weights. Consumes them. */
function takeShard<P extends Tree>({ model: { spec }, weightShard }: Run<P>["plan"], full: P): P {
  // A stage's parameters have the shape of its specs.
  const stage = mapTree<Tree, Tensor, Tensor>(spec as unknown as Tree, (_leaf, path) =>
    leafAt<Tensor>(full, path)!.clone(),
  ) as P;
  disposeTree(full);
  return shardParams(stage, spec, weightShard);
}

/** Trains `run`. Called by all ranks of the world. The caller owns the result's state. */
export async function trainRun<P extends Tree>(
  run: Run<P>,
  { start: given, onStart, reporter: reporterFrom, signal, onTrained }: RunHooks<P> = {},
): Promise<TrainingResult<P>> {
  const { plan, identity, settings, trainSamples, checkpoints, config } = run;
  const start = given ?? startRun(run);
  onStart?.(start);
  const reporter = reporterFrom?.(start) ?? defaultReporter(run, start);
  const described = { identity, settings, trainSamples, run: config.settings ?? {} };
  const saver = checkpoints?.of(plan, described, reporter) ?? refuseToSave(reporter);
  try {
    const result = await train(plan, start, {
      reporter,
      saver,
      ...(signal !== undefined && { signal }),
    });
    const saved = (await checkpoints?.settled()) ?? null;
    const done = endedIn(run, result);
    if (done !== null) await checkpoints?.retainFrom(done);
    onTrained?.(result, done ?? saved);
    await checkpoints?.close();
    return result;
  } catch (error) {
    await checkpoints?.abandon(error);
    throw error;
  } finally {
    reporter.end();
  }
}

/** On the first rank, the checkpoint in which `run` had come to its end before it was started. */
function endedIn<P extends Tree>(
  { config: { resume, resumedPart = "state" }, plan }: Run<P>,
  { steps }: TrainingResult<P>,
): string | null {
  const isDone = steps === 0 && resumedPart === "state" && isFirstRank(plan.axes);
  return isDone ? (resume ?? null) : null;
}

function defaultReporter<P extends Tree>({ plan }: Run<P>, start: TrainingState<P>): Reporter {
  if (!isFirstRank(plan.axes)) return silent;
  const { steps } = plan.intervals;
  return consoleReporter({ stream: process.stdout, steps, startStep: start.step });
}

/** A run without a folder says what it does not save. */
const refuseToSave = (reporter: Reporter): Saver => ({
  save({ step }) {
    reporter.note(`step ${step} is not saved: no folder of checkpoints is given`);
    return Promise.resolve();
  },
  retain: () => undefined,
  check: () => undefined,
});
