// A feed whose batches a thread reads ahead, through shared memory. Waiting for it blocks the event loop, as a training
// step does. The thread only saves time: a batch that it does not have is read here.

import { Worker } from "node:worker_threads";
import { UserError } from "@tessera/config";
import { makeBatch } from "../batch.js";
import type { Feed } from "../feed.js";
import type { GptDataOptions } from "./gpt_data.js";
import type { MaskOptions } from "../masks.js";
import type { SplitName } from "./splits.js";

/** What the thread reads. */
export interface PrefetchOptions {
  /** How `feed` was opened: the thread opens the same. */
  readonly data: GptDataOptions;
  readonly split: SplitName;
  readonly masks?: MaskOptions | undefined;
  readonly dataRank: number;
  /** Number of data-parallel ranks, which see different samples. */
  readonly dataRanks: number;
  /** Batches that are read ahead. Default: 4. */
  readonly depth?: number;
  /** Milliseconds without a heartbeat after which the thread is taken for dead. Default: 10,000. */
  readonly timeoutMs?: number;
  /** Heap limit of the thread, in MB. Default: that of Node. */
  readonly heapMegabytes?: number;
}

/** A feed with a thread behind it. */
export interface PrefetchedFeed extends Feed {
  /** Ends the thread, which does not keep the process alive otherwise either. */
  close(): Promise<void>;
}

/** Indices of the shared counters. `heartbeat` grows while the thread lives. */
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

/** Memory of both threads. */
export interface SharedBuffers {
  readonly counters: Int32Array;
  readonly message: Uint8Array;
  /** Ring buffer of batches [depth, rows, time + 1]. */
  readonly tokens: Int32Array;
}

export interface PrefetchStart {
  readonly options: PrefetchOptions;
  /** Samples that all ranks together have taken. */
  readonly consumedSamples: number;
  readonly microBatch: number;
  readonly depth: number;
  readonly shared: SharedBuffers;
}

const DEPTH = 4;
const TIMEOUT_MS = 10_000;
/** Time after which the end of the thread is noticed. */
const POLL_MS = 20;

/**
 * `feed`, of which a thread reads the microbatches of this rank ahead, from the first that is asked for. If another one
 * is asked for, reading starts again there. `batch` throws what reading threw. Without a living thread, `feed` is read
 * directly, after a warning.
 */
export function prefetch(feed: Feed, options: PrefetchOptions): PrefetchedFeed {
  const { masks, dataRank, dataRanks, timeoutMs = TIMEOUT_MS } = options;
  let thread: Thread | undefined;
  let isGivenUp = false;
  let next = -1; // first sample of the next batch of the thread
  const giveUp = (): void => {
    isGivenUp = true;
    void thread?.end();
    process.emitWarning("the thread that reads data ahead has died, data is read without it");
  };
  return {
    count: feed.count,
    length: feed.length,
    direct: feed,
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
    execArgv: [], // `node -e` would hand its own to the thread, which then does not start
    ...(heapMegabytes !== undefined && {
      resourceLimits: { maxOldGenerationSizeMb: heapMegabytes },
    }),
  });
  worker.unref();
  let isDead = false; // set between steps; within one, only the heartbeat tells
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

/** Waits until more than `taken` batches were read. Returns whether they were. */
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
