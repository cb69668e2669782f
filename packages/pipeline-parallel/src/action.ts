// A pipeline schedule: a stage's actions in order, as data that can be printed, parsed, checked and executed.

import { UserError } from "@tessera/config";

/**
 * `backward` computes input and weight gradients. A schedule may split it into `input`, which the previous stage waits
 * for, and `weight`, which no stage waits for.
 */
export type ActionKind = "forward" | "backward" | "input" | "weight";

/** One action of a stage. */
export interface Action {
  readonly kind: ActionKind;
  /** Index of the microbatch. */
  readonly microbatch: number;
  /** Index of the stage's model chunk: chunk c of stage s is virtual stage c x stages + s. */
  readonly chunk: number;
}

/** The actions of one stage, in order. */
export type PipelineSchedule = readonly Action[];

/** The sizes of a pipeline. */
export interface Pipeline {
  /** Ranks along the pipeline. */
  readonly stages: number;
  /** Microbatches of a step. */
  readonly microbatches: number;
  /** Model chunks on each stage. */
  readonly chunks: number;
}

const LETTERS = { forward: "F", backward: "B", input: "I", weight: "W" } as const;
const KINDS = new Map(
  Object.entries(LETTERS).map(([kind, letter]) => [letter, kind as ActionKind]),
);

/** "F3", or "F3.1" for chunk 1. */
export const formatAction = ({ kind, microbatch, chunk }: Action): string =>
  `${LETTERS[kind]}${microbatch}${chunk === 0 ? "" : `.${chunk}`}`;

/** "F0 F1 B0 ...": the text form of a schedule. */
export const formatSchedule = (schedule: PipelineSchedule): string =>
  schedule.map(formatAction).join(" ");

/**
 * The inverse of `formatSchedule`.
 * @throws UserError that names the first word that is not an action.
 */
export const parseSchedule = (text: string): PipelineSchedule =>
  text
    .split(/\s+/)
    .filter((word) => word !== "")
    .map(parseAction);

function parseAction(word: string): Action {
  const [, letter = "", microbatch, chunk = "0"] =
    /^([FBIW])(\d{1,9})(?:\.(\d{1,9}))?$/.exec(word) ?? [];
  const kind = KINDS.get(letter as (typeof LETTERS)[ActionKind]);
  if (kind === undefined) {
    throw new UserError(
      `${JSON.stringify(word)} is not an action of a schedule: write F0, B0, I0 or W0, with .1 for chunk 1`,
    );
  }
  return { kind, microbatch: Number(microbatch), chunk: Number(chunk) };
}

/** The index of an action's chunk among the chunks of all stages, in the order of the model. */
export const virtualStageOf = ({ chunk }: Action, stage: number, stages: number): number =>
  chunk * stages + stage;

/** Whether an action computes a microbatch's last gradients in a chunk. */
export const endsBackward = ({ kind }: Action): boolean => kind === "backward" || kind === "weight";
