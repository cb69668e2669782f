// The training loop: steps, and what is due between them.

import { setImmediate as nextTurn } from "node:timers/promises";
import { disposeTree } from "@tessera/layers";
import { compareWeights } from "./compare_weights.js";
import { evaluate } from "./evaluate.js";
import { isDue, type TrainingPlan } from "./plan.js";
import { overRanks } from "./over_ranks.js";
import type { Metrics, Reporter } from "./reporter.js";
import { takeStep, valueOf, type StepReport, type TrainingState } from "./step.js";

export interface TrainingHooks {
  readonly reporter: Reporter;
  /** Called with the state when it should be saved. Borrows it. */
  readonly save: (state: TrainingState) => void;
  /** Asked after every step; once aborted, the loop saves and returns. */
  readonly signal?: AbortSignal;
}

export interface TrainingResult {
  /** The caller owns its tensors. */
  readonly state: TrainingState;
  readonly interrupted: boolean;
  /** Of the last step, in nats per token; NaN if no step was taken. */
  readonly trainLoss: number;
  /** Of the last evaluation; NaN if there was none. */
  readonly validationLoss: number;
  /** That were taken here, without those of the run that this one continues. */
  readonly steps: number;
  /** That those steps took. */
  readonly samples: number;
  readonly tokensPerSecond: number;
}

/** Trains from `start`, which it takes ownership of, to the plan's last step or an interrupt. */
export async function train(
  plan: TrainingPlan,
  start: TrainingState,
  { reporter, save, signal }: TrainingHooks,
): Promise<TrainingResult> {
  const { intervals, validation } = plan;
  const speed = speedometer();
  let state = start;
  let trainLoss = NaN;
  let validationLoss = NaN;
  let savedStep = start.step;
  let isStopped = false;
  while (state.step < intervals.steps && !isStopped) {
    const before = state.consumedSamples;
    const taken = takeStep(plan, state);
    refuseHopelessScale(plan, state, taken.state);
    state = taken.state;
    const { step } = state;
    const isLogged = isDue(intervals.logging, step, intervals.steps) || step === start.step + 1;
    const metrics = readBack(taken, isLogged);
    speed.passed((state.consumedSamples - before) * plan.train.length);
    reporter.tick(step, speed.tokensPerSecond());
    if (metrics !== null) {
      trainLoss = metrics["loss"]!;
      reporter.metrics({ step, ...metrics, tokens_per_second: speed.tokensPerSecond() });
      if (plan.lossScaling === null) refuseNonsense(metrics, step);
    }
    if (validation !== null && isDue(intervals.evaluation, step, intervals.steps)) {
      validationLoss = speed.apart(() =>
        evaluate(plan, state.params, validation, (done, all) =>
          reporter.phase("evaluation", done, all),
        ),
      );
      reporter.metrics({ step, eval_loss: validationLoss });
    }
    if (isDue(intervals.comparing ?? 0, step, intervals.steps)) {
      speed.apart(() => compareWeights(plan, state));
    }
    if (isDue(intervals.saving, step, intervals.steps)) {
      speed.apart(() => save(state));
      savedStep = step;
    }
    await nextTurn(); // signals arrive between steps, and not on all ranks in the same one
    isStopped = isAny(plan, signal?.aborted === true);
  }
  const interrupted = state.step < intervals.steps;
  if (interrupted && savedStep !== state.step) save(state);
  return {
    state,
    interrupted,
    trainLoss,
    validationLoss,
    steps: state.step - start.step,
    samples: state.consumedSamples - start.consumedSamples,
    tokensPerSecond: speed.tokensPerSecond(),
  };
}

/** Whether `here` holds on any rank. */
const isAny = (plan: TrainingPlan, here: boolean): boolean =>
  overRanks(plan, ["data", "tensor", "pipeline"], here ? 1 : 0, "max") > 0;

interface Taken {
  readonly state: TrainingState;
  readonly report: StepReport;
}

/** Frees a step's report; its figures, if they are wanted. */
function readBack({ report, state: { lossScale } }: Taken, wanted: boolean): Metrics | null {
  const metrics = wanted
    ? {
        loss: valueOf(report.loss),
        learning_rate: report.learningRate,
        grad_norm: valueOf(report.gradientNorm),
        ...(lossScale && { loss_scale: lossScale.scale, skipped_steps: lossScale.skippedSteps }),
      }
    : null;
  disposeTree({ loss: report.loss, norm: report.gradientNorm });
  return metrics;
}

/** A loss or gradient that is no number never recovers. */
function refuseNonsense(metrics: Metrics, step: number): void {
  for (const [name, value] of Object.entries(metrics)) {
    if (!Number.isFinite(value)) {
      throw new Error(`the ${name} of step ${step} is ${value}: lower the learning rate`);
    }
  }
}

/** Where gradients overflow at the smallest scale there is, no later step will be better. */
function refuseHopelessScale(
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

/** Tokens per second of training, without what is done between steps. */
function speedometer() {
  let tokens = 0;
  let since = performance.now();
  return {
    passed: (more: number) => (tokens += more),
    tokensPerSecond: () => (tokens * 1000) / (performance.now() - since),
    apart<T>(work: () => T): T {
      const before = performance.now();
      const result = work();
      since += performance.now() - before;
      return result;
    },
  };
}
