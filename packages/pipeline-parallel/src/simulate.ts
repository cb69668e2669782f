// Simulates a pipeline: proves that its schedules are complete, in order and free of deadlock, and computes when each
// action runs. Sends do not block, as in the executor.

import { UserError } from "@tessera/config";
import {
  endsBackward,
  virtualStageOf,
  formatAction,
  type Action,
  type ActionKind,
  type PipelineSchedule,
} from "./action.js";

/** The duration of an action on a stage, in any unit. */
export type Durations = (action: Action, stage: number) => number;

/** Backward has two GEMMs for each of forward's. */
export const DEFAULT_DURATIONS: Readonly<Record<ActionKind, number>> = {
  forward: 1,
  backward: 2,
  input: 1,
  weight: 1,
};

/** An action with its simulated times. */
export interface TimedAction {
  readonly action: Action;
  readonly start: number;
  readonly end: number;
}

/** The result of a simulation. */
export interface Timeline {
  /** Each stage's actions, in order. */
  readonly stages: readonly (readonly TimedAction[])[];
  /** From the first start to the last end. */
  readonly length: number;
  /** The fraction of all stages' time in which they wait: 0 to 1. */
  readonly bubble: number;
  /** For each stage, how many microbatches' activations it stores at once at most, over all its chunks. */
  readonly peakInFlight: readonly number[];
}

/** Whether an action computes the gradient of its chunk's input. */
const makesInputGradient = ({ kind }: Action): boolean => kind === "backward" || kind === "input";

/**
 * The timeline of one schedule per stage.
 * @throws UserError that names stage and action where the schedules are incomplete or deadlock.
 */
export function simulate(
  schedules: readonly PipelineSchedule[],
  durationOf: Durations = ({ kind }) => DEFAULT_DURATIONS[kind],
): Timeline {
  const virtualStages = checkComplete(schedules);
  const stageCount = schedules.length;
  const ends = new Map<string, number>();
  const timelines: TimedAction[][] = schedules.map(() => []);

  /** When an action's inputs are available; undefined while that is unknown. */
  const readyAt = (action: Action, stage: number): number | undefined => {
    const virtualStage = virtualStageOf(action, stage, stageCount);
    const times = listInputs(action, virtualStage, virtualStages).map((key) => ends.get(key));
    return times.some((time) => time === undefined)
      ? undefined
      : Math.max(0, ...(times as number[]));
  };

  for (let isMoving = true; isMoving;) {
    isMoving = false;
    schedules.forEach((schedule, stage) => {
      const done = timelines[stage]!;
      for (;;) {
        const action = schedule[done.length];
        const ready = action && readyAt(action, stage);
        if (action === undefined || ready === undefined) break;
        const start = Math.max(ready, done.at(-1)?.end ?? 0);
        const end = start + durationOf(action, stage);
        done.push({ action, start, end });
        ends.set(outputOf(action, virtualStageOf(action, stage, stageCount)), end);
        isMoving = true;
      }
    });
  }
  checkFinished(schedules, timelines);
  return summarize(timelines);
}

/** The name of an action's output. */
const outputOf = (action: Action, virtualStage: number): string =>
  `${makesInputGradient(action) ? "gradient" : action.kind} ${action.microbatch} ${virtualStage}`;

/** The names of the outputs that an action waits for. */
function listInputs(action: Action, virtualStage: number, virtualStages: number): string[] {
  const { kind, microbatch } = action;
  switch (kind) {
    case "forward":
      return virtualStage === 0 ? [] : [`forward ${microbatch} ${virtualStage - 1}`];
    case "backward":
    case "input":
      return [
        `forward ${microbatch} ${virtualStage}`,
        ...(virtualStage === virtualStages - 1
          ? []
          : [`gradient ${microbatch} ${virtualStage + 1}`]),
      ];
    case "weight":
      return [`gradient ${microbatch} ${virtualStage}`];
  }
}

/** Checks that every chunk runs every microbatch once, forward and backward. Returns the number of virtual stages. */
function checkComplete(schedules: readonly PipelineSchedule[]): number {
  const all = schedules.flat();
  const chunks = 1 + Math.max(0, ...all.map(({ chunk }) => chunk));
  const microbatches = 1 + Math.max(0, ...all.map(({ microbatch }) => microbatch));
  schedules.forEach((schedule, stage) => {
    const counts = new Map<string, number>();
    for (const action of schedule) {
      counts.set(formatAction(action), (counts.get(formatAction(action)) ?? 0) + 1);
    }
    for (let chunk = 0; chunk < chunks; chunk += 1) {
      for (let microbatch = 0; microbatch < microbatches; microbatch += 1) {
        const count = (kind: ActionKind) =>
          counts.get(formatAction({ kind, microbatch, chunk })) ?? 0;
        const halves = count("backward") === 0 ? 1 : 0;
        const isComplete =
          count("forward") === 1 &&
          count("backward") === 1 - halves &&
          count("input") === halves &&
          count("weight") === halves;
        if (isComplete) continue;
        throw new UserError(
          `stage ${stage} must run microbatch ${microbatch} of chunk ${chunk} forward once and backward ` +
            `once, but has ${formatCounts(counts, microbatch, chunk)}`,
        );
      }
    }
  });
  return chunks * schedules.length;
}

function formatCounts(
  counts: ReadonlyMap<string, number>,
  microbatch: number,
  chunk: number,
): string {
  const kinds: readonly ActionKind[] = ["forward", "backward", "input", "weight"];
  return kinds
    .map((kind) => formatAction({ kind, microbatch, chunk }))
    .map((name) => `${counts.get(name) ?? 0} of ${name}`)
    .join(", ");
}

/** @throws UserError that names the stages that wait forever, and their actions. */
function checkFinished(
  schedules: readonly PipelineSchedule[],
  timelines: readonly (readonly TimedAction[])[],
): void {
  const waiting = schedules.flatMap((schedule, stage) => {
    const action = schedule[timelines[stage]!.length];
    return action === undefined ? [] : [`stage ${stage} at ${formatAction(action)}`];
  });
  if (waiting.length === 0) return;
  throw new UserError(`the schedules deadlock: ${waiting.join(", ")}`);
}

function summarize(stages: readonly (readonly TimedAction[])[]): Timeline {
  const length = Math.max(0, ...stages.flat().map(({ end }) => end));
  const busy = stages.flat().reduce((sum, { start, end }) => sum + end - start, 0);
  return {
    stages,
    length,
    bubble: length === 0 ? 0 : 1 - busy / (length * stages.length),
    peakInFlight: stages.map((stage) => {
      let inFlight = 0;
      return Math.max(
        0,
        ...stage.map(({ action }) => {
          if (endsBackward(action)) return inFlight--;
          return action.kind === "forward" ? ++inFlight : inFlight;
        }),
      );
    }),
  };
}
