// A rank of the hash's test: hashes the initial weights of a small GPT under a layout.

import "@tensorflow/tfjs-backend-cpu";
import { add, enableProdMode, setBackend } from "@tensorflow/tfjs-core";
import type { World } from "@tessera/collectives";
import { createFeed, sequentialOrder } from "@tessera/data";
import { splitWindows } from "@tessera/data/texts";
import { gptConfig, gptModel } from "@tessera/gpt";
import { mapTensors } from "@tessera/params";
import { hashWeights } from "../hash_weights.js";
import { planRun, startRun, type ParallelConfig } from "../index.js";

const tokens = Uint8Array.from({ length: 800 }, (_, i) => (i * i + 3 * i) % 16);
const { train } = splitWindows(tokens, { length: 8, validation: 0 });
const sizes = { layerCount: 2, hiddenSize: 8, headCount: 2, vocabularySize: 17, maxPositions: 8 };

/** The hash, and that of weights of which one element is another. */
export async function main(world: World, parallel: ParallelConfig): Promise<[number, number]> {
  enableProdMode(); // no advice to install another backend
  await setBackend("cpu");
  const { plan, ...run } = await planRun(world, {
    model: gptModel(gptConfig(sizes)),
    data: { train: createFeed(train, { order: sequentialOrder(train.count) }) },
    batch: { micro: 1, accumulation: 2 },
    duration: { steps: 1 },
    parallel,
    schedule: { kind: "constant", peak: 0.01, floor: 0, warmup: 0, total: 1 },
  });
  const { params } = startRun({ plan, ...run });
  const changed = mapTensors(params, (leaf, path) =>
    path === "blocks.1.mlp.norm.gain" ? add(leaf, 2 ** -23) : leaf,
  );
  return [hashWeights(plan, { params }), hashWeights(plan, { params: changed })];
}
