// What steps came to: their losses and norms stay on the device, and are read together where they are wanted.

import { stack, tidy, type Tensor } from "@tensorflow/tfjs-core";
import { RunError } from "@tessera/config";
import { disposeTree } from "@tessera/params";
import type { LossScaleOptions } from "@tessera/optim";
import type { StepReport } from "./step.js";

/** Steps between two reads at most, however seldom figures are logged: so long may a run go on that has failed. */
export const READ_INTERVAL = 20;

/** Of the steps since the last line of figures. */
export interface LapFigures {
  /** Mean over the steps; undefined where that of none is finite. */
  readonly loss: number | undefined;
  /** Of the last step. */
  readonly gradientNorm: number;
}

/** The figures of the steps of a run. */
export interface Tally {
  /** Consumes the tensors of `report`, which is that of step `step`. */
  add(step: number, report: StepReport): void;
  /**
   * Reads all that was added.
   * @throws RunError where so many steps in a row were skipped that no later one will be better.
   */
  read(): void;
  /** Ends a lap. All steps must be read. */
  lap(): LapFigures;
  /** Steps that changed nothing, as their loss or gradients were not finite. */
  readonly skippedSteps: number;
  /** Whether the last step that was read was skipped. */
  readonly isSkipping: boolean;
  /** Loss of the first step whose loss is finite; undefined before that. */
  readonly firstLoss: number | undefined;
}

/** `lossScaling` is null where losses are not scaled. */
export function createTally(lossScaling: LossScaleOptions | null): Tally {
  const limit = rowLimit(lossScaling);
  const unread: Tensor[] = []; // [loss, norm] of each step
  let lastStep = 0;
  let lap: number[] = [];
  let gradientNorm = NaN;
  let skippedSteps = 0;
  let skippedInRow = 0;
  let firstLoss: number | undefined;
  const count = (step: number, loss: number, norm: number): void => {
    gradientNorm = norm;
    const isGood = Number.isFinite(loss) && Number.isFinite(norm);
    skippedInRow = isGood ? 0 : skippedInRow + 1;
    if (!isGood) skippedSteps += 1;
    if (Number.isFinite(loss)) {
      lap.push(loss);
      firstLoss ??= loss;
    }
    if (skippedInRow < limit) return;
    throw new RunError(
      `step ${step}: is the ${limit}th in a row whose loss (${loss}) or gradients (norm ${norm}) are not finite; ` +
        "lower the learning rate, and go on from the last checkpoint",
    );
  };
  return {
    add(step, { loss, gradientNorm: norm }) {
      unread.push(tidy(() => stack([loss, norm])));
      disposeTree({ loss, norm });
      lastStep = step;
    },
    read() {
      const steps = readAll(unread.splice(0));
      steps.forEach(([loss, norm], i) => count(lastStep - steps.length + 1 + i, loss, norm));
    },
    lap() {
      const loss = lap.length === 0 ? undefined : lap.reduce((a, b) => a + b) / lap.length;
      lap = [];
      return { loss, gradientNorm };
    },
    get skippedSteps() {
      return skippedSteps;
    },
    get isSkipping() {
      return skippedInRow > 0;
    },
    get firstLoss() {
      return firstLoss;
    },
  };
}

/** In one read. Consumes `pairs`. */
function readAll(pairs: readonly Tensor[]): [number, number][] {
  if (pairs.length === 0) return [];
  const all = stack([...pairs]); // [steps, 2]
  disposeTree(Object.fromEntries(pairs.map((pair, i) => [i, pair])));
  const values = all.dataSync();
  all.dispose();
  return pairs.map((_pair, i) => [values[2 * i]!, values[2 * i + 1]!]);
}

/** Skipped steps in a row after which a run ends. */
const ROW_LIMIT = 10;
/** More than it takes from any usual scale to the smallest. */
const HALVINGS = 100;

/** Whether a step that overflowed leaves a smaller scale behind, so that a later one may not. */
export const mayShrink = (scaling: LossScaleOptions | null): scaling is LossScaleOptions =>
  scaling !== null && scaling.minimum > 0; // a fixed scale has no minimum

const rowLimit = (scaling: LossScaleOptions | null): number =>
  mayShrink(scaling) ? ROW_LIMIT + HALVINGS + Math.min(scaling.hysteresis, HALVINGS) : ROW_LIMIT;
