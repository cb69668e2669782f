// The mean loss over samples that training does not see.

import { sequentialOrder, type Samples } from "@tessera/data";
import type { Gpt, GptParams } from "@tessera/gpt";
import { still } from "@tessera/layers";
import { disposeBatch, makeBatch } from "./batch.js";

/** Nats per token over all of `samples`, each counted once, `rows` at a time. */
export function evaluate(model: Gpt, params: GptParams, samples: Samples, rows: number): number {
  const order = sequentialOrder(samples.count);
  const weight = 1 / samples.length;
  let sum = 0;
  for (let first = 0; first < samples.count; first += rows) {
    const size = Math.min(rows, samples.count - first);
    const batch = makeBatch(samples, order, { first, size, weight });
    const loss = model.loss(params, batch, still);
    sum += loss.dataSync()[0]!;
    disposeBatch(batch);
    loss.dispose();
  }
  return sum / samples.count;
}
