// A feed whose batches a thread reads ahead, through memory that both sides share. Waiting for it does
// not give the event loop its turn, because a training step does not either. The thread only saves
// time: a batch that it does not have is read here.

import { Worker } from "node:worker_threads";
import { UserError } from "@tessera/config";
import { makeBatch } from "../batch.js";
import type { Feed } from "../feed.js";
import type { GptDataOptions } from "./gpt_data.js";
import type { MaskOptions } from "../masks.js";
import type { SplitName } from "./splits.js";

export interface PrefetchOptions {
  /** How `feed` was opened; the thread opens the same, in the order of its samples. */
  readonly data: GptDataOptions;
  readonly split: SplitName;
  readonly masks?: MaskOptions | undefined;
  readonly dataRank: number;
  readonly dataRanks: number;
  /** Batches that are read ahead. */
  readonly depth?: number;
  /** Milliseconds in which the thread must show a sign of life. */
  readonly timeoutMs?: number;
  /** What the thread may take of the heap, in MB. */
  readonly heapMegabytes?: number;
}

export interface PrefetchedFeed extends Feed {
  /** Ends the thread. One that is forgotten does not keep the process alive. */
  close(): Promise<void>;
}

/** Where the counters stand in the shared memory. `heartbeat` says that the thread is alive. */
export const COUNTERS = {
  produced: 0,
  consumed: 1,
  state: 2,
  messageBytes: 3,
  heartbeat: 4,
} as const;
export const STATES = { reading: 0, ended: 1, refused: 2, failed: 3 } as const;
const COUNTER_COUNT = 5;
const MESSAGE_BYTES = 4096;

/** What both sides see. */
export interface SharedBuffers {
  readonly counters: Int32Array;
  readonly message: Uint8Array;
  /** [depth, rows, time + 1]: batches, each at its number modulo `depth`. */
  readonly tokens: Int32Array;
}

export interface PrefetchStart {
  readonly options: PrefetchOptions;
  /** The first sample that is taken, on all ranks together. */
  readonly consumedSamples: number;
  readonly microBatch: number;
  readonly depth: number;
  readonly shared: SharedBuffers;
}

const DEPTH = 4;
const TIMEOUT_MS = 10_000;
/** A thread that ends is noticed after this long. */
const POLL_MS = 20;

/**
 * `feed`, read ahead: micro-batch by micro-batch of this rank, from the first that is asked for. If
 * another is asked for, reading begins anew there. Throws what reading threw. A thread that dies or is
 * silent for too long is given up with a warning.
 */
export function prefetch(feed: Feed, options: PrefetchOptions): PrefetchedFeed {
  const { masks, dataRank, dataRanks, timeoutMs = TIMEOUT_MS } = options;
  let thread: Thread | undefined;
  let isGivenUp = false;
  let next = -1; // what the thread reads first of what was not taken
  const giveUp = (): void => {
    isGivenUp = true;
    void thread?.end();
    process.emitWarning("the thread that reads data ahead has died, data is read without it");
  };
  return {
    count: feed.count,
    length: feed.length,
    batch(first, size) {
      if (isGivenUp) return feed.batch(first, size);
      if (first !== next || thread?.microBatch !== size) {
        void thread?.end();
        thread = startThread(options, first - dataRank * size, size);
      }
      next = first + size * dataRanks;
      const rows = thread.take(timeoutMs);
      if (rows === "silent") giveUp();
      return typeof rows === "string"
        ? feed.batch(first, size)
        : makeBatch(rows, feed.length, masks);
    },
    close: async () => {
      await thread?.end();
    },
  };
}

interface Thread {
  readonly microBatch: number;
  /** The next rows [batch, time + 1], or why there are none. */
  take(timeoutMs: number): Int32Array | "ended" | "silent";
  end(): Promise<unknown>;
}

function startThread(
  options: PrefetchOptions,
  consumedSamples: number,
  microBatch: number,
): Thread {
  const { data, depth = DEPTH, heapMegabytes } = options;
  const stride = microBatch * (data.sequenceLength + 1);
  const shared: SharedBuffers = {
    counters: new Int32Array(new SharedArrayBuffer(4 * COUNTER_COUNT)),
    message: new Uint8Array(new SharedArrayBuffer(MESSAGE_BYTES)),
    tokens: new Int32Array(new SharedArrayBuffer(4 * depth * stride)),
  };
  const { counters, tokens } = shared;
  const start: PrefetchStart = { options, consumedSamples, microBatch, depth, shared };
  const worker = new Worker(new URL("./prefetch_worker.js", import.meta.url), {
    workerData: start,
    execArgv: [], // those of a program given as text would keep the thread from starting
    ...(heapMegabytes !== undefined && {
      resourceLimits: { maxOldGenerationSizeMb: heapMegabytes },
    }),
  });
  worker.unref();
  let isDead = false; // known at once between steps; during one, by its silence
  worker.on("error", () => (isDead = true));
  let taken = 0;
  return {
    microBatch,
    take(timeoutMs) {
      if (!awaitBatch(shared, taken, isDead ? 0 : timeoutMs)) return reasonOfEnd(shared);
      const slot = (taken % depth) * stride;
      const rows = tokens.slice(slot, slot + stride);
      taken += 1;
      Atomics.store(counters, COUNTERS.consumed, taken);
      Atomics.notify(counters, COUNTERS.consumed);
      return rows;
    },
    end: () => worker.terminate(),
  };
}

/** Waits until more than `taken` batches were read, and returns whether they were. */
function awaitBatch({ counters }: SharedBuffers, taken: number, timeoutMs: number): boolean {
  let beats = -1;
  let since = 0;
  while (Atomics.load(counters, COUNTERS.produced) === taken) {
    const isOver = Atomics.load(counters, COUNTERS.state) !== STATES.reading;
    // It may have read one more before it ended.
    if (isOver) return Atomics.load(counters, COUNTERS.produced) !== taken;
    const seen = Atomics.load(counters, COUNTERS.heartbeat);
    if (seen !== beats) [beats, since] = [seen, performance.now()];
    if (performance.now() - since > timeoutMs) return false;
    Atomics.wait(counters, COUNTERS.produced, taken, POLL_MS);
  }
  return true;
}

function reasonOfEnd({ counters, message }: SharedBuffers): "ended" | "silent" {
  const state = Atomics.load(counters, COUNTERS.state);
  if (state === STATES.reading) return "silent";
  if (state === STATES.ended) return "ended";
  const text = new TextDecoder().decode(message.slice(0, counters[COUNTERS.messageBytes]));
  throw state === STATES.refused ? new UserError(text) : new Error(text);
}
