// The training loop: steps, and what is due between them.

import { setImmediate as nextTurn } from "node:timers/promises";
import { disposeTree, type Tree } from "@tessera/params";
import { createStopSignal } from "@tessera/parallel";
import type { Saver } from "./checkpoints.js";
import { checkReplicasAgree } from "./check_replicas.js";
import { evaluate } from "./evaluate.js";
import { isDue, type TrainingPlan } from "./plan.js";
import type { Metrics, Reporter } from "./reporter.js";
import { stopwatch, type Elapsed } from "./stopwatch.js";
import type { TrainingState } from "./state.js";
import { readScalar, takeStep, type StepReport } from "./step.js";

export interface TrainingHooks {
  readonly reporter: Reporter;
  /** Asked to save the state when that is due, and after every step whether the last time went well. */
  readonly saver: Saver;
  /** Asked after every step; once aborted, the loop saves and returns. */
  readonly signal?: AbortSignal;
}

/** What was trained here, without the run that this one continues. */
export interface TrainingResult<P extends Tree = Tree> extends Elapsed {
  /** The caller owns its tensors. */
  readonly state: TrainingState<P>;
  readonly interrupted: boolean;
  /** Of the last step, in nats per token; NaN if no step was taken. */
  readonly trainLoss: number;
  /** Of the last evaluation; NaN if there was none. */
  readonly validationLoss: number;
  readonly tokensPerSecond: number;
}

/** Trains from `start`, which it takes ownership of, to the plan's last step or an interrupt. */
export async function train<P extends Tree>(
  plan: TrainingPlan<P>,
  start: TrainingState<P>,
  { reporter, saver, signal }: TrainingHooks,
): Promise<TrainingResult<P>> {
  const { intervals, validation } = plan;
  const watch = stopwatch();
  const tokensPerSecond = () => speedOf(plan, watch.total());
  let state = start;
  let trainLoss = NaN;
  let validationLoss = NaN;
  let savedStep = start.step;
  const stopSignal = createStopSignal(plan.axes);
  let isStopped = false;
  while (state.step < intervals.steps && !isStopped) {
    const consumed = state.consumedSamples;
    const taken = takeStep(plan, state);
    checkLossScale(plan, state, taken.state);
    state = taken.state;
    const { step, consumedSamples } = state;
    const at = { consumedSamples, globalBatch: consumedSamples - consumed };
    const isLogged = isDue(intervals.logging, step, intervals.steps) || step === start.step + 1;
    const metrics = readBack(taken, isLogged);
    watch.stepTaken(at.globalBatch);
    reporter.tick(step, tokensPerSecond());
    if (metrics !== null) {
      trainLoss = metrics["loss"]!;
      const figures = { step, ...metrics, tokens_per_second: tokensPerSecond() };
      reporter.metrics(figures, { ...at, elapsed: watch.lap() });
      if (plan.lossScaling === null) checkFinite(metrics, step);
    }
    if (validation !== null && isDue(intervals.evaluation, step, intervals.steps)) {
      validationLoss = await watch.apart(() =>
        evaluate(plan, state.params, validation, (done, all) =>
          reporter.phase("evaluation", done, all),
        ),
      );
      reporter.metrics({ step, eval_loss: validationLoss }, { ...at, elapsed: null });
    }
    if (isDue(intervals.replicaCheck ?? 0, step, intervals.steps)) {
      await watch.apart(() => checkReplicasAgree(plan, state));
    }
    if (isDue(intervals.saving, step, intervals.steps)) {
      await watch.apart(() => saver.save(state));
      savedStep = step;
    }
    saver.check();
    await nextTurn(); // signals arrive between steps, and not on all ranks in the same one
    isStopped = stopSignal.poll(signal?.aborted === true);
  }
  stopSignal.finish();
  const interrupted = state.step < intervals.steps;
  if (interrupted && savedStep !== state.step) await saver.save(state);
  const ran = watch.total();
  const speed = tokensPerSecond();
  return { state, interrupted, trainLoss, validationLoss, ...ran, tokensPerSecond: speed };
}

const speedOf = ({ train }: TrainingPlan, { samples, seconds }: Elapsed): number =>
  (samples * train.length) / seconds;

interface Taken {
  readonly state: TrainingState;
  readonly report: StepReport;
}

/** Frees a step's report; its figures, if they are wanted. */
function readBack({ report, state: { lossScale } }: Taken, wanted: boolean): Metrics | null {
  const metrics = wanted
    ? {
        loss: readScalar(report.loss),
        learning_rate: report.learningRate,
        grad_norm: readScalar(report.gradientNorm),
        ...(lossScale && { loss_scale: lossScale.scale, skipped_steps: lossScale.skippedSteps }),
      }
    : null;
  disposeTree({ loss: report.loss, norm: report.gradientNorm });
  return metrics;
}

/** A loss or gradient that is no number never recovers. */
function checkFinite(metrics: Metrics, step: number): void {
  for (const [name, value] of Object.entries(metrics)) {
    if (!Number.isFinite(value)) {
      throw new Error(`the ${name} of step ${step} is ${value}: lower the learning rate`);
    }
  }
}

/** Where gradients overflow at the smallest scale there is, no later step will be better. */
function checkLossScale(
  { lossScaling }: TrainingPlan,
  before: TrainingState,
  after: TrainingState,
): void {
  const skipped = (state: TrainingState) => state.lossScale?.skippedSteps ?? 0;
  if (lossScaling === null || skipped(after) === skipped(before)) return;
  if (before.lossScale !== undefined && before.lossScale.scale <= lossScaling.minimum) {
    throw new Error(
      `the gradients of step ${after.step} overflow fp16 at the smallest loss scale, ` +
        `${lossScaling.minimum}: lower the learning rate, or train in bf16`,
    );
  }
}
