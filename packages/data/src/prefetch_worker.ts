// The thread behind `prefetchBatches`.

import { workerData } from "node:worker_threads";
import { UserError } from "@tessera/config";
import { openGptData } from "./gpt_data.js";
import { COUNTERS, STATES, type PrefetchStart } from "./prefetch.js";
import { rankSamples } from "./sampler.js";

const { options, shared } = workerData as PrefetchStart;
const { counters, message, tokens } = shared;

function end(state: number): void {
  Atomics.store(counters, COUNTERS.state, state);
  Atomics.notify(counters, COUNTERS.produced);
}

async function readAhead(): Promise<void> {
  const { parts } = await openGptData(options.data);
  const samples = parts[options.part];
  if (samples === null) throw new UserError(`the split leaves no documents for ${options.part}`);
  const { microBatch, depth = 1 } = options;
  const length = samples.length + 1;
  const sampleTokens = new Int32Array(length); // files are not read into shared memory
  let produced = 0;
  for (const rows of rankSamples({ ...options, count: samples.count })) {
    for (;;) {
      const consumed = Atomics.load(counters, COUNTERS.consumed);
      if (produced - consumed < depth) break;
      Atomics.wait(counters, COUNTERS.consumed, consumed);
    }
    const slot = (produced % depth) * microBatch * length;
    rows.forEach((sample, row) => {
      samples.read(sample, sampleTokens);
      tokens.set(sampleTokens, slot + row * length);
    });
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
