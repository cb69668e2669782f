// Carries out one stage's schedule. It knows neighbours and order, not models.

import type { Tensor } from "@tensorflow/tfjs-core";
import { MOST_TAG, type ProcessGroup, type ReceiveOptions, type Work } from "@tessera/collectives";
import { chunkIndex, type Action, type PipelineSchedule } from "./action.js";

/** A part of the model with its parameters and its data inside. */
export interface ForwardChunk {
  /** Borrows x, null for the first part, which reads its own data. y is null from the last one. */
  forward(microbatch: number, x: Tensor | null): { readonly y: Tensor | null };
}

/** The same, with its sink inside. `S`: a forward's record. */
export interface PipelineChunk<S> {
  forward(microbatch: number, x: Tensor | null): { readonly y: Tensor | null; readonly saved: S };
  /** Uses up `saved`. dy is null for the last part, which makes the loss; dx from the first one. */
  backward(microbatch: number, saved: S, dy: Tensor | null): Tensor | null;
  /** The same, but the weights' gradients are made when `weight` is called. */
  input(microbatch: number, saved: S, dy: Tensor | null): InputHalf;
}

export interface InputHalf {
  readonly dx: Tensor | null;
  readonly weight: () => void;
}

export interface Message extends Pick<ReceiveOptions, "storage"> {
  /** Of a micro-batch. */
  readonly shape: (microbatch: number) => readonly number[];
}

export interface Execution<P> {
  /** This stage's parts, by chunk. */
  readonly chunks: readonly P[];
  /** The stages, in order. */
  readonly group: ProcessGroup;
  /** What goes from part to part. */
  readonly message: Message;
}

/** Runs a whole schedule. Returns when all that this stage sent has left. */
export function execute<S>(
  execution: Execution<PipelineChunk<S>>,
  schedule: PipelineSchedule,
): void {
  const records = new Map<string, S>();
  const weights = new Map<string, () => void>();
  runActions(execution, schedule, ({ kind, microbatch, chunk }, got) => {
    const part = execution.chunks[chunk]!;
    const key = `${microbatch} ${chunk}`;
    switch (kind) {
      case "forward": {
        const { y, saved } = part.forward(microbatch, got);
        records.set(key, saved);
        return y;
      }
      case "backward":
        return part.backward(microbatch, takeEntry(records, key), got);
      case "input": {
        const { dx, weight } = part.input(microbatch, takeEntry(records, key), got);
        weights.set(key, weight);
        return dx;
      }
      case "weight":
        takeEntry(weights, key)();
        return null;
    }
  });
}

/** Runs `microbatches` forward only, through all chunks. */
export function executeForward(
  execution: Execution<ForwardChunk>,
  microbatches: readonly number[],
): void {
  const schedule = execution.chunks.flatMap((_, chunk) =>
    microbatches.map((microbatch) => ({ kind: "forward", microbatch, chunk }) as const),
  );
  runActions(
    execution,
    schedule,
    ({ microbatch, chunk }, got) => execution.chunks[chunk]!.forward(microbatch, got).y,
  );
}

/** Actions whose messages are asked for before their turn, so that these are there when it comes. */
const PREFETCHED_ACTIONS = 2;

/** Does `act` for each action, with what came for it; sends on what it makes. */
function runActions(
  { chunks: parts, group, message }: Execution<unknown>,
  schedule: PipelineSchedule,
  act: (action: Action, got: Tensor | null) => Tensor | null,
): void {
  const mail = createMailbox({ group, chunkCount: parts.length, message });
  schedule.forEach((action, i) => {
    for (const next of schedule.slice(i, i + 1 + PREFETCHED_ACTIONS)) mail.expect(next);
    const got = mail.take(action);
    mail.send(action, act(action, got));
    got?.dispose();
  });
  mail.close();
}

/** What is at `key`, which is then no longer there. */
function takeEntry<T>(map: Map<string, T>, key: string): T {
  const value = map.get(key);
  if (value === undefined) throw new Error(`the schedule uses ${key} before it is made`);
  map.delete(key);
  return value;
}

interface Route {
  readonly group: ProcessGroup;
  /** Parts of the model on each stage. */
  readonly chunkCount: number;
  readonly message: Message;
}

/** Messages of this stage's actions, to and from the neighbours. */
function createMailbox({ group, chunkCount, message }: Route) {
  const { rank: stage, size: stages } = group;
  const parts = chunkCount * stages;
  /** Micro-batches that tags tell apart. */
  const period = Math.floor((MOST_TAG + 1) / (2 * chunkCount));
  const expected = new Map<Action, Work>();
  const sent: Work<void>[] = [];

  /** The parts before and behind an action's, in the direction in which it goes. */
  const neighbours = (action: Action) => {
    const part = chunkIndex(action, stage, stages);
    const step = action.kind === "forward" ? 1 : -1;
    return { source: part - step, part, target: part + step };
  };
  const exists = (part: number): boolean => part >= 0 && part < parts;
  const rankOf = (part: number): number => part % stages;
  /** One for each message, as stages may take micro-batches in different orders; far ones share tags. */
  const tagOf = ({ kind, microbatch }: Action, target: number): number =>
    2 * ((microbatch % period) * chunkCount + Math.floor(target / stages)) +
    (kind === "forward" ? 0 : 1);

  return {
    /** Asks for what `action` will need. */
    expect(action: Action): void {
      const { source, part } = neighbours(action);
      if (action.kind === "weight" || !exists(source) || expected.has(action)) return;
      const { shape, ...storage } = message;
      const options = { ...storage, tag: tagOf(action, part) };
      expected.set(action, group.receive(shape(action.microbatch), rankOf(source), options));
    },
    /** What `action` needs; null where no part stands before it. */
    take(action: Action): Tensor | null {
      const work = expected.get(action);
      expected.delete(action);
      return work === undefined ? null : work.wait();
    },
    /** Sends what `action` made, which it uses up, to the part behind it. */
    send(action: Action, x: Tensor | null): void {
      const { target } = neighbours(action);
      if (x === null || !exists(target)) return;
      sent.push(group.send(x, rankOf(target), tagOf(action, target)));
      x.dispose();
    },
    close(): void {
      for (const work of sent) work.wait();
    },
  };
}
