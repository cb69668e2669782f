// A learning-rate schedule of your own: any function of the steps done, or phases in a sequence. This one restarts once:
// after warm-up the rate falls along a cosine, then along another one from half the peak, and ends in a tail.

import "@tensorflow/tfjs-backend-wasm";
import { setBackend } from "@tensorflow/tfjs-core";
import { singleWorld } from "@tessera/collectives";
import { createFeed, shuffledOrder } from "@tessera/data";
import { splitWindows } from "@tessera/data/texts";
import { gptModel, preset } from "@tessera/gpt";
import { cosine, sequence, warmup, type Phase } from "@tessera/optim/schedules";
import { planRun, trainRun } from "@tessera/trainer";
import { silent } from "@tessera/trainer/report";

const peak = 4e-3;

/** A phase may also be written out: its length, and its rate by the steps since it began. */
const tail: Phase = { length: 5, rate: (step) => peak / 4 / (1 + step) };

const schedule = sequence([
  warmup(peak, 5),
  cosine({ from: peak, to: peak / 10, length: 10 }),
  cosine({ from: peak / 2, to: peak / 10, length: 10 }),
  tail,
]);
console.log(
  [0, 5, 16, 25, 30].map((step) => `step ${step + 1}: ${schedule(step).toFixed(5)}`).join(", "),
);

await setBackend("wasm");
const text = new TextEncoder().encode("to be or not to be, that is the question. ".repeat(20));
const { train } = splitWindows(text, { length: 32, validation: 0 });
const run = await planRun(singleWorld(), {
  model: gptModel(preset("tiny", { vocabularySize: 256, maxPositions: 32 })),
  data: { train: createFeed(train, { order: shuffledOrder(train.count, 42) }) },
  batch: { micro: 4 },
  duration: { steps: 30 },
  schedule,
});
const { trainLoss } = await trainRun(run, { reporter: () => silent });
console.log(`loss ${trainLoss.toFixed(2)} nats per token`);
