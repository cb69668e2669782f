// Schedules of your own: of the learning rate, composed of phases, and of a pipeline, written as text. A small GPT
// then trains with both.

import { isMainThread } from "node:worker_threads";
import { runThreads, type World } from "@tessera/collectives";
import { createFeed, sequentialOrder } from "@tessera/data";
import { splitWindows } from "@tessera/data/texts";
import { chooseBackend, defaultBackend } from "@tessera/engines";
import { gptModel, preset } from "@tessera/gpt";
import { constant, linear, sequence, warmup, type Phase } from "@tessera/optim/schedules";
import { createSchedules, drawText, parseSchedule, simulate } from "@tessera/pipeline-parallel";
import { planRun, trainRun } from "@tessera/trainer";

// 1. The learning rate. A phase is a length and a function of the steps since it began; this one oscillates.

const wave = ({ low, high, length }: { low: number; high: number; length: number }): Phase => ({
  length,
  rate: (step) => high - ((high - low) * (1 - Math.cos((2 * Math.PI * step) / length))) / 2,
});

const learningRate = sequence([
  warmup(0.004, 4),
  constant(0.004, 4),
  wave({ low: 0.002, high: 0.004, length: 8 }),
  linear({ from: 0.004, to: 0, length: 4 }),
]);

// 2. The pipeline: what each stage does, in order, with 4 microbatches. F is forward and B backward; I and W are
// backward's two halves, the gradient of the input, which the stage before waits for, and of the weights, which nobody
// waits for. So no stage waits at the end, as it does in 1F1B; activations live until their W, which takes memory.

const stages = [
  "F0 F1 I0 F2 I1 F3 I2 W0 I3 W1 W2 W3", //
  "F0 I0 F1 I1 F2 I2 F3 I3 W0 W1 W2 W3",
].map(parseSchedule);

// 3. A training run on two stages with them.

export async function main(world: World): Promise<number> {
  await chooseBackend(defaultBackend(), { ...process.env, OMP_NUM_THREADS: "1" });
  const text = new TextEncoder().encode("to be or not to be, that is the question. ".repeat(40));
  const { train } = splitWindows(text, { length: 32, validation: 0 });
  const run = await planRun(world, {
    model: gptModel(preset("tiny", { vocabularySize: 256, maxPositions: 32 })),
    data: { train: createFeed(train, { order: sequentialOrder(train.count) }) },
    batch: { micro: 2, accumulation: 4 },
    duration: { steps: 20 },
    parallel: { pipeline: 2 },
    schedule: learningRate,
    logInterval: 5,
  });
  const pipeline = { ...run.plan.pipeline, schedule: () => stages[world.rank]! };
  const { trainLoss } = await trainRun({ ...run, plan: { ...run.plan, pipeline } });
  return trainLoss;
}

if (isMainThread) {
  console.log([0, 2, 6, 12, 18].map(learningRate)); // prints: [ 0, 0.002, 0.004, 0.002, 0.002 ]

  // `simulate` refuses schedules that are incomplete or wait for each other, and says what those cost that are not.
  const timeline = simulate(stages);
  console.log(drawText(timeline, { colour: false }));
  console.log(timeline.peakInFlight); // prints: [ 4, 4 ]
  const usual = simulate(createSchedules("1f1b", { stages: 2, microbatches: 4, chunks: 1 }));
  console.log(usual.length, timeline.length); // prints: 15 13

  const [trainLoss] = await runThreads<number>({ program: new URL(import.meta.url), ranks: 2 });
  console.log(trainLoss! < 2.5); // prints: true
}
