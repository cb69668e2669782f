// The training loop: steps, and what is due between them.

import { setImmediate as nextTurn } from "node:timers/promises";
import { RunError } from "@tessera/config";
import type { Tree } from "@tessera/params";
import { createStopSignal } from "@tessera/parallel";
import type { Saver } from "./checkpoints.js";
import { checkReplicasAgree } from "./check_replicas.js";
import { evaluate } from "./evaluate.js";
import { hashWeights } from "./hash_weights.js";
import { guardSaver } from "./guard_saver.js";
import { isDue, type TrainingPlan } from "./plan.js";
import type { Reporter } from "./reporter.js";
import { stopwatch, type Elapsed } from "./stopwatch.js";
import type { TrainingState } from "./state.js";
import { takeStep, type StepResult } from "./step.js";
import { createTally, mayShrink, READ_INTERVAL, type Tally } from "./tally.js";

/** What the loop reports to and saves with, and what ends it early. */
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
  /** Mean of the last line of figures, in nats per token; NaN if no step was taken. */
  readonly trainLoss: number;
  /** Of the last evaluation; NaN if there was none. */
  readonly validationLoss: number;
  readonly tokensPerSecond: number;
}

/**
 * Trains from `start`, which it takes ownership of, to the plan's last step or an interrupt.
 * @throws RunError where training has failed: no state of that is saved.
 */
export async function train<P extends Tree>(
  plan: TrainingPlan<P>,
  start: TrainingState<P>,
  { reporter, saver, signal }: TrainingHooks,
): Promise<TrainingResult<P>> {
  const { intervals } = plan;
  const watch = stopwatch();
  const tally = createTally(plan.lossScaling);
  const tokensPerSecond = () => speedOf(plan, watch.total());
  let state = start;
  let trainLoss = NaN;
  let validationLoss = NaN;
  const guard = guardSaver(plan, saver, tally);
  const stopSignal = createStopSignal(plan.axes);
  let isStopped = false;
  while (state.step < intervals.steps && !isStopped) {
    const consumed = state.consumedSamples;
    const taken = takeStep(plan, state);
    tally.add(taken.state.step, taken.report);
    checkLossScale(plan, state, taken.state);
    state = taken.state;
    const { step, consumedSamples } = state;
    const at = { consumedSamples, globalBatch: consumedSamples - consumed };
    const isLogged = isDue(intervals.logging, step, intervals.steps) || step === start.step + 1;
    if (isLogged || guard.isOpen || step % READ_INTERVAL === 0) tally.read();
    watch.stepTaken(at.globalBatch);
    reporter.tick(step, tokensPerSecond());
    if (isLogged) {
      const metrics = metricsOf(plan, taken, tally);
      trainLoss = metrics["loss"] ?? trainLoss;
      const figures = { step, ...metrics, tokens_per_second: tokensPerSecond() };
      reporter.metrics(figures, { ...at, elapsed: watch.lap() });
    }
    if (!tally.isSkipping) guard.retain();
    if (isDue(intervals.evaluation, step, intervals.steps) && plan.validation !== null) {
      validationLoss = await watch.apart(() => validate(plan, state, reporter));
      reporter.metrics({ step, eval_loss: validationLoss }, { ...at, elapsed: null });
    }
    if (isDue(intervals.replicaCheck ?? 0, step, intervals.steps)) {
      await watch.apart(() => checkReplicasAgree(plan, state));
    }
    if (isDue(intervals.saving, step, intervals.steps)) await watch.apart(() => guard.save(state));
    saver.check();
    await nextTurn(); // signals arrive between steps, and not on all ranks in the same one
    isStopped = stopSignal.poll(signal?.aborted === true);
  }
  stopSignal.finish();
  const interrupted = state.step < intervals.steps;
  if (interrupted) await guard.save(state);
  const ran = watch.total();
  checkProgress(plan, tally, state.step, ran);
  guard.retain(); // no step follows, and the state was looked at
  if (tally.skippedSteps > 0) reporter.note(skippedLine(tally, ran));
  const speed = tokensPerSecond();
  return { state, interrupted, trainLoss, validationLoss, ...ran, tokensPerSecond: speed };
}

const validate = (plan: TrainingPlan, { params }: TrainingState, reporter: Reporter): number =>
  evaluate(plan, params, plan.validation!, (done, all) => reporter.phase("evaluation", done, all));

const speedOf = ({ train }: TrainingPlan, { samples, seconds }: Elapsed): number =>
  (samples * train.length) / seconds;

/** The figures of a line. */
function metricsOf(
  plan: TrainingPlan,
  { report, state }: StepResult,
  tally: Tally,
): Readonly<Record<string, number>> {
  const { loss, gradientNorm } = tally.lap();
  const { lossScale } = state;
  return {
    ...(loss !== undefined && { loss }),
    learning_rate: report.learningRate,
    grad_norm: gradientNorm,
    ...(lossScale && { loss_scale: lossScale.scale }),
    skipped_steps: lossScale?.skippedSteps ?? tally.skippedSteps,
    ...(plan.hashWeights && { weights_hash: hashWeights(plan, state) }),
  };
}

const skippedLine = ({ skippedSteps }: Tally, { steps }: Elapsed): string =>
  `skipped ${skippedSteps} of ${steps} steps, whose loss or gradients were not finite`;

/** A run of which no step changed anything has failed, however short it is, unless its loss scale was still falling. */
function checkProgress(plan: TrainingPlan, tally: Tally, step: number, ran: Elapsed): void {
  tally.read();
  if (tally.skippedSteps < ran.steps || ran.steps === 0 || mayShrink(plan.lossScaling)) return;
  throw new RunError(
    `step ${step}: ${skippedLine(tally, ran)}: nothing was learned; lower the learning rate or the loss scale`,
  );
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
    throw new RunError(
      `the gradients of step ${after.step} overflow fp16 at the smallest loss scale, ` +
        `${lossScaling.minimum}: lower the learning rate, or train in bf16`,
    );
  }
}
