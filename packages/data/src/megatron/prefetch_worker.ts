// The thread behind `prefetch`.

import { workerData } from "node:worker_threads";
import { UserError } from "@tessera/config";
import { openSplit } from "./gpt_data.js";
import { COUNTERS, STATES, type PrefetchStart } from "./prefetch.js";
import { rankSamples } from "../sampler.js";

const { options, consumedSamples, microBatch, depth, shared } = workerData as PrefetchStart;
const { counters, message, tokens } = shared;

function end(state: number): void {
  Atomics.store(counters, COUNTERS.state, state);
  Atomics.notify(counters, COUNTERS.produced);
}

async function readAhead(): Promise<void> {
  const { data, split, dataRank, dataRanks } = options;
  // The thread that started this one has opened the same, and checked it.
  const opened = await openSplit({ ...data, trustCache: true }, split);
  if (opened === null) throw new UserError(`the split leaves no documents for ${split}`);
  const { samples } = opened;
  const stride = samples.length + 1;
  const row = new Int32Array(stride); // readSync cannot fill shared memory
  const sampler = { consumedSamples, microBatch, dataRank, dataRanks, count: samples.count };
  let produced = 0;
  for (const numbers of rankSamples(sampler)) {
    for (;;) {
      const consumed = Atomics.load(counters, COUNTERS.consumed);
      if (produced - consumed < depth) break;
      Atomics.wait(counters, COUNTERS.consumed, consumed);
    }
    const slot = (produced % depth) * microBatch * stride;
    for (const [i, sample] of numbers.entries()) {
      Atomics.add(counters, COUNTERS.heartbeat, 1);
      samples.read(sample, row);
      tokens.set(row, slot + i * stride);
    }
    produced += 1;
    Atomics.store(counters, COUNTERS.produced, produced);
    Atomics.notify(counters, COUNTERS.produced);
  }
}

try {
  await readAhead();
  end(STATES.ended);
} catch (error) {
  const text = error instanceof Error ? error.message : String(error);
  const bytes = new TextEncoder().encode(text).subarray(0, message.length);
  message.set(bytes);
  counters[COUNTERS.messageBytes] = bytes.length;
  end(error instanceof UserError ? STATES.refused : STATES.failed);
}
