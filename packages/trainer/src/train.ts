// The training loop: steps, and what is due between them.

import { setImmediate as nextTurn } from "node:timers/promises";
import { disposeTree } from "@tessera/layers";
import { evaluate } from "./evaluate.js";
import { isDue, type TrainingPlan } from "./plan.js";
import type { Metrics, Reporter } from "./reporter.js";
import { takeStep, type StepReport, type TrainingState } from "./step.js";

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
}

/** Trains from `start`, which it takes ownership of, to the plan's last step or an interrupt. */
export async function train(
  plan: TrainingPlan,
  start: TrainingState,
  { reporter, save, signal }: TrainingHooks,
): Promise<TrainingResult> {
  const { intervals, validation } = plan;
  const speed = speedometer(plan.batch.globalBatch * plan.train.length);
  let state = start;
  let trainLoss = NaN;
  let validationLoss = NaN;
  let savedStep = start.step;
  while (state.step < intervals.steps && !signal?.aborted) {
    const taken = takeStep(plan, state);
    state = taken.state;
    const { step } = state;
    const isLogged = isDue(intervals.logging, step, intervals.steps) || step === start.step + 1;
    const metrics = readBack(taken.report, isLogged);
    speed.stepTaken();
    reporter.tick(step, speed.tokensPerSecond());
    if (metrics !== null) {
      trainLoss = metrics["loss"]!;
      reporter.metrics({ step, ...metrics, tokens_per_second: speed.tokensPerSecond() });
      refuseNonsense(trainLoss, step);
    }
    if (validation !== null && isDue(intervals.evaluation, step, intervals.steps)) {
      validationLoss = speed.apart(() =>
        evaluate(plan.model, state.params, validation, plan.evalBatch),
      );
      reporter.metrics({ step, eval_loss: validationLoss });
    }
    if (isDue(intervals.saving, step, intervals.steps)) {
      speed.apart(() => save(state));
      savedStep = step;
    }
    await nextTurn(); // signals arrive between steps
  }
  const interrupted = state.step < intervals.steps;
  if (interrupted && savedStep !== state.step) save(state);
  return { state, interrupted, trainLoss, validationLoss };
}

/** Frees a report; its figures, if they are wanted. */
function readBack(report: StepReport, wanted: boolean): Metrics | null {
  const metrics = wanted
    ? {
        loss: report.loss.dataSync()[0]!,
        learning_rate: report.learningRate,
        grad_norm: report.gradientNorm.dataSync()[0]!,
      }
    : null;
  disposeTree({ loss: report.loss, norm: report.gradientNorm });
  return metrics;
}

/** A loss that is no number never recovers. */
function refuseNonsense(loss: number, step: number): void {
  if (!Number.isFinite(loss)) {
    throw new Error(`the loss of step ${step} is ${loss}: lower the learning rate`);
  }
}

/** Tokens per second of training, without what is done between steps. */
function speedometer(tokensPerStep: number) {
  let steps = 0;
  let since = performance.now();
  return {
    stepTaken: () => (steps += 1),
    tokensPerSecond: () => (steps * tokensPerStep * 1000) / (performance.now() - since),
    apart<T>(work: () => T): T {
      const before = performance.now();
      const result = work();
      since += performance.now() - before;
      return result;
    },
  };
}
