// Batches read ahead by a thread, through memory that both sides share. `next` waits without giving
// the event loop its turn, because a training step does not either.

import { Worker } from "node:worker_threads";
import { UserError } from "@tessera/config";
import type { Batch } from "./batch.js";
import type { GptDataOptions } from "./gpt_data.js";
import type { SamplerOptions } from "./sampler.js";
import type { SplitName } from "./splits.js";

export interface PrefetchOptions extends Omit<SamplerOptions, "count"> {
  readonly data: GptDataOptions;
  readonly part: SplitName;
  /** Batches that are read ahead. */
  readonly depth?: number;
}

export interface Prefetch {
  /** This rank's next micro-batch; null where too few samples are left. Throws what reading threw. */
  next(): Batch | null;
  close(): Promise<void>;
}

/** Where the counters stand in the shared memory. */
export const COUNTERS = { produced: 0, consumed: 1, state: 2, messageBytes: 3 } as const;
export const STATES = { reading: 0, ended: 1, refused: 2, failed: 3 } as const;
const COUNTER_COUNT = 4;
const MESSAGE_BYTES = 4096;

/** What both sides see. */
export interface Shared {
  readonly counters: Int32Array;
  readonly message: Uint8Array;
  /** [depth, rows, time + 1]: batches, each at its number modulo `depth`. */
  readonly tokens: Int32Array;
}

export interface PrefetchStart {
  readonly options: PrefetchOptions;
  readonly shared: Shared;
}

const DEPTH = 4;

/** Starts a thread that opens the data and reads batches from the first that is not consumed. */
export function prefetchBatches(options: PrefetchOptions): Prefetch {
  const { microBatch, depth = DEPTH, data } = options;
  const time = data.sequenceLength;
  const stride = microBatch * (time + 1);
  const shared: Shared = {
    counters: new Int32Array(new SharedArrayBuffer(4 * COUNTER_COUNT)),
    message: new Uint8Array(new SharedArrayBuffer(MESSAGE_BYTES)),
    tokens: new Int32Array(new SharedArrayBuffer(4 * depth * stride)),
  };
  const { counters, tokens } = shared;
  const start: PrefetchStart = { options: { ...options, depth }, shared };
  const worker = new Worker(new URL("./prefetch_worker.js", import.meta.url), {
    workerData: start,
  });
  let taken = 0;
  return {
    next() {
      while (Atomics.load(counters, COUNTERS.produced) === taken) {
        if (Atomics.load(counters, COUNTERS.state) !== STATES.reading) {
          // It may have produced one more before it ended.
          if (Atomics.load(counters, COUNTERS.produced) !== taken) break;
          return endOf(shared);
        }
        Atomics.wait(counters, COUNTERS.produced, taken, POLL_MS);
      }
      const slot = (taken % depth) * stride;
      const batch = batchOf(tokens.subarray(slot, slot + stride), microBatch, time);
      taken += 1;
      Atomics.store(counters, COUNTERS.consumed, taken);
      Atomics.notify(counters, COUNTERS.consumed);
      return batch;
    },
    async close() {
      await worker.terminate();
    },
  };
}

/** A thread that ends is noticed after this long. */
const POLL_MS = 20;

function endOf({ counters, message }: Shared): null {
  const state = Atomics.load(counters, COUNTERS.state);
  if (state === STATES.ended) return null;
  const text = new TextDecoder().decode(message.slice(0, counters[COUNTERS.messageBytes]));
  throw state === STATES.refused ? new UserError(text) : new Error(text);
}

function batchOf(tokens: Int32Array, batch: number, time: number): Batch {
  const inputs = new Int32Array(batch * time); // [batch, time]
  const targets = new Int32Array(batch * time); // [batch, time]
  for (let row = 0; row < batch; row += 1) {
    const first = row * (time + 1);
    inputs.set(tokens.subarray(first, first + time), row * time);
    targets.set(tokens.subarray(first + 1, first + time + 1), row * time);
  }
  return { inputs, targets, batch, time };
}
