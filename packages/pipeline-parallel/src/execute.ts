// Executes one stage's schedule: order and communication, independent of the model.

import type { Tensor } from "@tensorflow/tfjs-core";
import { MAX_TAG, type ProcessGroup, type ReceiveOptions, type Work } from "@tessera/collectives";
import { virtualStageOf, type Action, type PipelineSchedule } from "./action.js";

/**
 * A model chunk, bound to its parameters and data, for forward passes only. `X`: what chunks pass on to each other.
 */
export interface ForwardChunk<X extends Tensor = Tensor> {
  /** Borrows x; null in the first chunk, which reads a batch. y is null in the last chunk, which computes the loss. */
  forward(microbatch: number, x: X | null): { readonly y: X | null };
}

/** A model chunk for training, bound to its gradient sink too. `S`: what forward saves for backward. */
export interface PipelineChunk<S, X extends Tensor = Tensor> {
  forward(microbatch: number, x: X | null): { readonly y: X | null; readonly saved: S };
  /** Consumes `saved`. dy is null in the last chunk, dx in the first. */
  backward(microbatch: number, saved: S, dy: X | null): X | null;
  /** `backward`, except that weight gradients are computed when `weight` is called. */
  input(microbatch: number, saved: S, dy: X | null): InputHalf<X>;
}

/** The first half of a backward pass; `weight` runs the second. dx is null in the first chunk. */
export interface InputHalf<X extends Tensor = Tensor> {
  readonly dx: X | null;
  readonly weight: () => void;
}

/** The tensors that chunks send to each other. */
export interface Message extends Pick<ReceiveOptions, "storage"> {
  /** The shape of a microbatch's activations. */
  readonly shape: (microbatch: number) => readonly number[];
}

/** A stage: its chunks `P` and its neighbours. */
export interface Execution<P> {
  /** This stage's model chunks. */
  readonly chunks: readonly P[];
  /** The stages, in order. */
  readonly group: ProcessGroup;
  readonly message: Message;
}

/** Runs a schedule. Returns when this stage's sends are complete. */
export function execute<S, X extends Tensor>(
  execution: Execution<PipelineChunk<S, X>>,
  schedule: PipelineSchedule,
): void {
  const savedByKey = new Map<string, S>();
  const weightByKey = new Map<string, () => void>();
  runActions<X>(execution, schedule, ({ kind, microbatch, chunk: index }, input) => {
    const chunk = execution.chunks[index]!;
    const key = `${microbatch} ${index}`;
    switch (kind) {
      case "forward": {
        const { y, saved } = chunk.forward(microbatch, input);
        savedByKey.set(key, saved);
        return y;
      }
      case "backward":
        return chunk.backward(microbatch, takeEntry(savedByKey, key), input);
      case "input": {
        const { dx, weight } = chunk.input(microbatch, takeEntry(savedByKey, key), input);
        weightByKey.set(key, weight);
        return dx;
      }
      case "weight":
        takeEntry(weightByKey, key)();
        return null;
    }
  });
}

/** Runs forward passes only: of `microbatches`, through all chunks. */
export function executeForward<X extends Tensor>(
  execution: Execution<ForwardChunk<X>>,
  microbatches: readonly number[],
): void {
  const schedule = execution.chunks.flatMap((_, chunk) =>
    microbatches.map((microbatch) => ({ kind: "forward", microbatch, chunk }) as const),
  );
  runActions<X>(
    execution,
    schedule,
    ({ microbatch, chunk }, input) => execution.chunks[chunk]!.forward(microbatch, input).y,
  );
}

/** How many actions ahead receives are posted, so that activations arrive before they are needed. */
const PREFETCHED_ACTIONS = 2;

/** Calls `act` for each action with the tensor it received, and sends its result. */
function runActions<X extends Tensor>(
  { chunks, group, message }: Execution<unknown>,
  schedule: PipelineSchedule,
  act: (action: Action, input: X | null) => X | null,
): void {
  const mailbox = createMailbox<X>({ group, chunkCount: chunks.length, message });
  schedule.forEach((action, i) => {
    for (const next of schedule.slice(i, i + 1 + PREFETCHED_ACTIONS)) mailbox.postReceive(next);
    const input = mailbox.receive(action);
    mailbox.send(action, act(action, input));
    input?.dispose();
  });
  mailbox.close();
}

/** Removes and returns the entry at `key`. */
function takeEntry<T>(map: Map<string, T>, key: string): T {
  const value = map.get(key);
  if (value === undefined)
    throw new Error(`the schedule uses microbatch and chunk ${key} before its forward`);
  map.delete(key);
  return value;
}

interface Route {
  readonly group: ProcessGroup;
  /** Model chunks on each stage. */
  readonly chunkCount: number;
  readonly message: Message;
}

/** Sends and receives of this stage's actions. */
function createMailbox<X extends Tensor>({ group, chunkCount, message }: Route) {
  const { rank: stage, size: stages } = group;
  const virtualStages = chunkCount * stages;
  /** Microbatches with distinct tags. */
  const period = Math.floor((MAX_TAG + 1) / (2 * chunkCount));
  const expected = new Map<Action, Work>();
  const sent: Work<void>[] = [];

  /** The virtual stages that an action receives from and sends to. */
  const neighbours = (action: Action) => {
    const own = virtualStageOf(action, stage, stages);
    const step = action.kind === "forward" ? 1 : -1;
    return { source: own - step, own, target: own + step };
  };
  const exists = (virtualStage: number): boolean =>
    virtualStage >= 0 && virtualStage < virtualStages;
  const rankOf = (virtualStage: number): number => virtualStage % stages;
  /** One per message, as stages may order microbatches differently; microbatches `period` apart share tags. */
  const tagOf = ({ kind, microbatch }: Action, target: number): number =>
    2 * ((microbatch % period) * chunkCount + Math.floor(target / stages)) +
    (kind === "forward" ? 0 : 1);

  return {
    /** Posts the receive of the input of `action`, unless that is posted already. */
    postReceive(action: Action): void {
      const { source, own } = neighbours(action);
      if (action.kind === "weight" || !exists(source) || expected.has(action)) return;
      const { shape, ...storage } = message;
      const options = { ...storage, tag: tagOf(action, own) };
      expected.set(action, group.receive(shape(action.microbatch), rankOf(source), options));
    },
    /** Waits for the input of `action`; null if it has none. The caller owns it. */
    receive(action: Action): X | null {
      const work = expected.get(action);
      expected.delete(action);
      return work === undefined ? null : (work.wait() as X); // as its sender had it
    },
    /** Sends the result of `action` to the next virtual stage. Consumes x. */
    send(action: Action, x: X | null): void {
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
