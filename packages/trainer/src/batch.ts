// Samples as tensors.

import { fill, tensor } from "@tensorflow/tfjs-core";
import { batchAt, type SampleOrder, type Samples } from "@tessera/data";
import type { Batch } from "@tessera/gpt";

/** `size` samples from number `first` on, each token counting `weight`. The caller owns it. */
export function makeBatch(
  samples: Samples,
  order: SampleOrder,
  { first, size, weight }: { first: number; size: number; weight: number },
): Batch {
  const { inputs, targets, batch, time } = batchAt(samples, order, first, size);
  const shape: [number, number] = [batch, time];
  return {
    ids: tensor(inputs, shape, "int32"),
    targets: { ids: tensor(targets, shape, "int32"), weights: fill(shape, weight) },
  };
}

export function disposeBatch({ ids, targets }: Batch): void {
  ids.dispose();
  targets.ids.dispose();
  targets.weights.dispose();
}
