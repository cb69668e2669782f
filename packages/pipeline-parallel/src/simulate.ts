// Plays a pipeline on paper: proves that its schedules are complete, in order and free of deadlock, and
// says how long each action waits. Messages are sent without waiting, as the executor sends them.

import { UserError } from "@tessera/config";
import {
  endsBackward,
  chunkIndex,
  formatAction,
  type Action,
  type ActionKind,
  type PipelineSchedule,
} from "./action.js";

/** How long an action takes on a stage, in any unit. */
export type Durations = (action: Action, stage: number) => number;

/** Backward has two products for each of forward's. */
export const DEFAULT_DURATIONS: Readonly<Record<ActionKind, number>> = {
  forward: 1,
  backward: 2,
  input: 1,
  weight: 1,
};

export interface TimedAction {
  readonly action: Action;
  readonly start: number;
  readonly end: number;
}

export interface Timeline {
  /** What each stage does, and when. */
  readonly stages: readonly (readonly TimedAction[])[];
  /** From the first start to the last end. */
  readonly length: number;
  /** The part of all stages' time in which they wait: 0 to 1. */
  readonly bubble: number;
  /** For each stage, the most micro-batches, of all its chunks, whose activations it keeps at once. */
  readonly peakInFlight: readonly number[];
}

/** The action that ends the wait of others for the gradient of a part's input. */
const makesGradient = ({ kind }: Action): boolean => kind === "backward" || kind === "input";

/** Throws a UserError where the schedules cannot be carried out, naming the stage and the action. */
export function simulate(
  schedules: readonly PipelineSchedule[],
  durations: Durations = ({ kind }) => DEFAULT_DURATIONS[kind],
): Timeline {
  const parts = checkComplete(schedules);
  const count = schedules.length;
  const ends = new Map<string, number>();
  const played: TimedAction[][] = schedules.map(() => []);

  /** When what an action needs is there; undefined where that is not known yet. */
  const readyAt = (action: Action, stage: number): number | undefined => {
    const times = needsOf(action, chunkIndex(action, stage, count), parts).map((key) =>
      ends.get(key),
    );
    return times.some((time) => time === undefined)
      ? undefined
      : Math.max(0, ...(times as number[]));
  };

  for (let isMoving = true; isMoving;) {
    isMoving = false;
    schedules.forEach((schedule, stage) => {
      const done = played[stage]!;
      for (;;) {
        const action = schedule[done.length];
        const ready = action && readyAt(action, stage);
        if (action === undefined || ready === undefined) break;
        const start = Math.max(ready, done.at(-1)?.end ?? 0);
        const end = start + durations(action, stage);
        done.push({ action, start, end });
        ends.set(keyOf(action, chunkIndex(action, stage, count)), end);
        isMoving = true;
      }
    });
  }
  refuseStuck(schedules, played);
  return timelineOf(played);
}

/** What others wait for, by name. */
const keyOf = (action: Action, part: number): string =>
  `${makesGradient(action) ? "gradient" : action.kind} ${action.microbatch} ${part}`;

/** The names of what an action waits for. */
function needsOf(action: Action, part: number, parts: number): string[] {
  const { kind, microbatch } = action;
  switch (kind) {
    case "forward":
      return part === 0 ? [] : [`forward ${microbatch} ${part - 1}`];
    case "backward":
    case "input":
      return [
        `forward ${microbatch} ${part}`,
        ...(part === parts - 1 ? [] : [`gradient ${microbatch} ${part + 1}`]),
      ];
    case "weight":
      return [`gradient ${microbatch} ${part}`];
  }
}

/** Every part does every micro-batch once, forward and backward. Returns the number of parts. */
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
        const times = (kind: ActionKind) =>
          counts.get(formatAction({ kind, microbatch, chunk })) ?? 0;
        const halves = times("backward") === 0 ? 1 : 0;
        const isRight =
          times("forward") === 1 &&
          times("backward") === 1 - halves &&
          times("input") === halves &&
          times("weight") === halves;
        if (isRight) continue;
        throw new UserError(
          `stage ${stage} must run micro-batch ${microbatch} of chunk ${chunk} forward once and backward ` +
            `once, but has ${showCounts(counts, microbatch, chunk)}`,
        );
      }
    }
  });
  return chunks * schedules.length;
}

function showCounts(
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

function refuseStuck(
  schedules: readonly PipelineSchedule[],
  played: readonly (readonly TimedAction[])[],
): void {
  const waiting = schedules.flatMap((schedule, stage) => {
    const action = schedule[played[stage]!.length];
    return action === undefined ? [] : [`stage ${stage} at ${formatAction(action)}`];
  });
  if (waiting.length === 0) return;
  throw new UserError(`the schedules wait for each other without end: ${waiting.join(", ")}`);
}

function timelineOf(stages: readonly (readonly TimedAction[])[]): Timeline {
  const length = Math.max(0, ...stages.flat().map(({ end }) => end));
  const busy = stages.flat().reduce((sum, { start, end }) => sum + end - start, 0);
  return {
    stages,
    length,
    bubble: length === 0 ? 0 : 1 - busy / (length * stages.length),
    peakInFlight: stages.map((stage) => {
      let alive = 0;
      return Math.max(
        0,
        ...stage.map(({ action }) => {
          if (endsBackward(action)) return alive--;
          return action.kind === "forward" ? ++alive : alive;
        }),
      );
    }),
  };
}
