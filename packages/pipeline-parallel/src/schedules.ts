// The built-in schedules: functions from a stage to its actions.

import { UserError } from "@tessera/config";
import type { Action, ActionKind, Pipeline, PipelineSchedule } from "./action.js";

/** The schedule of stage `stage` (from 0) of a pipeline. */
export type ScheduleMaker = (stage: number, pipeline: Pipeline) => PipelineSchedule;

const range = (from: number, to: number): number[] =>
  Array.from({ length: Math.max(0, to - from) }, (_, i) => from + i);

const act =
  (kind: ActionKind) =>
  (microbatch: number, chunk = 0): Action => ({ kind, microbatch, chunk });
const forward = act("forward");
const backward = act("backward");
const input = act("input");
const weight = act("weight");

/** All forwards, then all backwards (Huang et al., 2019): all microbatches are in flight at once. */
const gpipe: ScheduleMaker = (_stage, { microbatches }) => [
  ...range(0, microbatches).map((microbatch) => forward(microbatch)),
  ...range(0, microbatches).map((microbatch) => backward(microbatch)),
];

/** Warmup, steady state, cooldown (Narayanan et al., 2019): stage s has at most stages - s microbatches in flight. */
const oneForwardOneBackward: ScheduleMaker = (stage, { stages, microbatches }) => {
  const warmup = Math.min(stages - stage - 1, microbatches);
  return [
    ...range(0, warmup).map((microbatch) => forward(microbatch)),
    ...range(warmup, microbatches).flatMap((microbatch) => [
      forward(microbatch),
      backward(microbatch - warmup),
    ]),
    ...range(microbatches - warmup, microbatches).map((microbatch) => backward(microbatch)),
  ];
};

/**
 * 1F1B over several chunks per stage (Narayanan et al., 2021), which divides the bubble by their number. Microbatches go
 * through the chunks in groups of as many as there are stages.
 */
const interleaved: ScheduleMaker = (stage, { stages, microbatches, chunks }) => {
  const total = microbatches * chunks;
  const round = stages * chunks;
  const nth = (kind: typeof forward, n: number, isReversed: boolean): Action => {
    const chunk = Math.floor((n % round) / stages);
    const microbatch = Math.floor(n / round) * stages + (n % stages);
    return kind(microbatch, isReversed ? chunks - 1 - chunk : chunk);
  };
  const warmup = Math.min(2 * (stages - stage - 1) + (chunks - 1) * stages, total);
  return [
    ...range(0, warmup).map((n) => nth(forward, n, false)),
    ...range(warmup, total).flatMap((n) => [
      nth(forward, n, false),
      nth(backward, n - warmup, true),
    ]),
    ...range(total - warmup, total).map((n) => nth(backward, n, true)),
  ];
};

/**
 * ZB-H1 (Qi et al., 2024): 1F1B with backward in two halves. Stage s defers the weight gradients of s microbatches, so
 * that no stage has more in flight than the first, and fills the cooldown with them.
 */
const zeroBubble: ScheduleMaker = (stage, { stages, microbatches }) => {
  const warmup = Math.min(stages - stage - 1, microbatches);
  const deferred = Math.min(stage, microbatches);
  return [
    ...range(0, warmup).map((microbatch) => forward(microbatch)),
    ...range(0, microbatches).flatMap((microbatch) => [
      ...(microbatch + warmup < microbatches ? [forward(microbatch + warmup)] : []),
      input(microbatch),
      ...(microbatch >= deferred ? [weight(microbatch - deferred)] : []),
    ]),
    ...range(microbatches - deferred, microbatches).map((microbatch) => weight(microbatch)),
  ];
};

const scheduleMakers = {
  gpipe,
  "1f1b": oneForwardOneBackward,
  interleaved,
  "zero-bubble": zeroBubble,
} as const satisfies Record<string, ScheduleMaker>;

/** The name of a built-in schedule. */
export type ScheduleKind = keyof typeof scheduleMakers;

/** The names of all built-in schedules. */
export const scheduleKinds = Object.keys(scheduleMakers) as ScheduleKind[];

/**
 * Refuses a pipeline that a kind of schedule cannot be made for.
 * @throws UserError where `kind` does not support the pipeline's sizes.
 */
export function checkSchedule(
  kind: ScheduleKind,
  { stages, microbatches, chunks }: Pipeline,
): void {
  for (const [name, value] of Object.entries({ stages, microbatches, chunks })) {
    if (!Number.isSafeInteger(value) || value < 1) {
      throw new UserError(`a pipeline of ${value} ${name}: must be a whole number, at least 1`);
    }
  }
  if (kind !== "interleaved" && chunks > 1) {
    throw new UserError(
      `the ${kind} schedule has one chunk per stage, not ${chunks}: use interleaved`,
    );
  }
  if (chunks > 1 && stages === 1) {
    throw new UserError(`${chunks} chunks per stage: interleaving needs at least 2 stages, not 1`);
  }
  if (kind === "interleaved" && microbatches % stages !== 0) {
    throw new UserError(
      `the interleaved schedule takes microbatches in groups of ${stages}, one for each stage: ` +
        `use a multiple of that, not ${microbatches}`,
    );
  }
}

/**
 * The schedules of all stages.
 * @throws UserError where `kind` does not support the pipeline's sizes.
 */
export function createSchedules(
  kind: ScheduleKind,
  pipeline: Pipeline,
): readonly PipelineSchedule[] {
  checkSchedule(kind, pipeline);
  return range(0, pipeline.stages).map((stage) => scheduleMakers[kind](stage, pipeline));
}
