// What a stage of a pipeline does, in order: data, which can be printed, read, checked and carried out.

import { UserError } from "@tessera/config";

/**
 * `backward` makes the gradient of its input and of its weights; a schedule may split it into `input`,
 * which the stage before waits for, and `weight`, which nobody waits for.
 */
export type ActionKind = "forward" | "backward" | "input" | "weight";

export interface Action {
  readonly kind: ActionKind;
  /** The micro-batch, from 0. */
  readonly microbatch: number;
  /** Which of the stage's parts of the model, from 0: chunk c of stage s is part c x stages + s. */
  readonly chunk: number;
}

/** What one stage does. */
export type PipelineSchedule = readonly Action[];

/** How many of everything a schedule is for. */
export interface Pipeline {
  readonly stages: number;
  readonly microbatches: number;
  /** Parts of the model on each stage. */
  readonly chunks: number;
}

const LETTERS = { forward: "F", backward: "B", input: "I", weight: "W" } as const;
const KINDS = new Map(
  Object.entries(LETTERS).map(([kind, letter]) => [letter, kind as ActionKind]),
);

/** "F3", or "F3.1" where the chunk is not the first. */
export const formatAction = ({ kind, microbatch, chunk }: Action): string =>
  `${LETTERS[kind]}${microbatch}${chunk === 0 ? "" : `.${chunk}`}`;

/** "F0 F1 B0 ...": the form that schedules are read, written and compared in. */
export const formatSchedule = (schedule: PipelineSchedule): string =>
  schedule.map(formatAction).join(" ");

/** The inverse of `show`. Throws a UserError that names the first word which is no action. */
export const parseSchedule = (text: string): PipelineSchedule =>
  text
    .split(/\s+/)
    .filter((word) => word !== "")
    .map(parseAction);

function parseAction(word: string): Action {
  const [, letter = "", micro, chunk = "0"] =
    /^([FBIW])(\d{1,9})(?:\.(\d{1,9}))?$/.exec(word) ?? [];
  const kind = KINDS.get(letter as (typeof LETTERS)[ActionKind]);
  if (kind === undefined) {
    throw new UserError(
      `${JSON.stringify(word)} is no action of a schedule: write F0, B0, I0 or W0, with .1 for chunk 1`,
    );
  }
  return { kind, microbatch: Number(micro), chunk: Number(chunk) };
}

/** The part of the model that an action works on. */
export const chunkIndex = ({ chunk }: Action, stage: number, stages: number): number =>
  chunk * stages + stage;

/** Whether it makes the last of a micro-batch's gradients on a part. */
export const endsBackward = ({ kind }: Action): boolean => kind === "backward" || kind === "weight";
