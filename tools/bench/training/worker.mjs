// Our side of the training suites: takes a training step each time it is told to, and tells at the
// end where the time went and how fast its matrix products are on their own. Started as several ranks,
// the first one listens and the others follow it.

import { createInterface } from "node:readline";
import { enableProdMode, scalar, setBackend } from "@tensorflow/tfjs-core";
import { joinWorld } from "@tessera/collectives-mpi";
import { createFeed, sequentialOrder } from "@tessera/data";
import { gptConfig, gptModel } from "@tessera/gpt";
import { disposeTree } from "@tessera/params";
import { planRun, startRun } from "@tessera/trainer";
import { takeStep } from "@tessera/trainer/loop";
import { profile } from "./profile.mjs";
import { medianOf } from "./median.mjs";
import { flopsOf, productsAlone } from "./products.mjs";

const settings = JSON.parse(process.argv[2]);
const { model: sizes, batch, time, precision, stage = 0, tensor = 1, sequence } = settings;
const world = joinWorld(process.env);

enableProdMode();
if (settings.backend === "native") {
  const { loadNative } = await import("@tessera/kernels-native");
  if (!loadNative(process.env)) throw new Error("the native engine is not built");
} else {
  await import("@tensorflow/tfjs-backend-wasm");
}
await setBackend(settings.backend);

const config = gptConfig({
  layerCount: sizes.layers,
  hiddenSize: sizes.width,
  headCount: sizes.heads,
  vocabularySize: sizes.vocabulary,
  maxPositions: sizes.positions,
});
/** Tokens that look random and are the same in every run. */
const samples = {
  count: 64,
  length: time,
  read: (index, target) => {
    for (let i = 0; i < target.length; i += 1) {
      target[i] = Math.imul(index * (time + 1) + i + 1, 0x9e3779b1) >>> 8;
      target[i] %= sizes.vocabulary;
    }
  },
};

const run = await planRun(world, {
  model: gptModel(config),
  data: { train: createFeed(samples, { order: sequentialOrder(samples.count) }) },
  batch: { micro: batch },
  duration: { steps: 1000 },
  parallel: { tensor, sequence: sequence === true, zeroStage: stage },
  schedule: { kind: "constant", peak: 1e-4, floor: 0, warmup: 0, total: 1000 },
  precision: { storage: precision },
  seed: 1,
});
const { plan } = run;
let state = startRun(run);

/** A step, whole: what it computed is read back. Its seconds. */
function step() {
  const began = performance.now();
  const taken = takeStep(plan, { ...state, consumedSamples: 0 });
  const [loss] = taken.report.loss.dataSync();
  const seconds = (performance.now() - began) / 1000;
  state = taken.state;
  steps += 1;
  disposeTree({ loss: taken.report.loss, norm: taken.report.gradientNorm });
  return { seconds, loss };
}

const ROUNDS = 5;

/** Steps and their products alone in turn, so that both meet the same machine. */
function end() {
  const peakBytes = process.resourceUsage().maxRSS * 1024;
  if (!settings.profile) return { peakBytes };
  const { calls, parts } = profile(step);
  if (calls.length === 0) return { peakBytes, parts, flops: null, matmulFraction: null };
  const flops = calls.reduce((sum, call) => sum + flopsOf(call), 0);
  const products = productsAlone(calls);
  const [whole, alone] = [[], []];
  for (let round = 0; round <= ROUNDS; round += 1) {
    const seconds = [step().seconds, products.seconds()];
    if (round > 0) [whole, alone].forEach((list, i) => list.push(seconds[i]));
  }
  const speed = (operations, seconds) => operations / medianOf(seconds);
  const matmulFraction = speed(flops, whole) / speed(products.flops, alone);
  return { peakBytes, parts, flops, matmulFraction };
}

/** Steps taken, the two that warm up among them. */
let steps = 0;

/** What of the time of communication passed behind computation, and what of a step it held up. */
function communication() {
  const total = (of) => plan.axes.reduce((sum, { group }) => sum + of(group.traffic), 0);
  const [busy, waited] = [total((t) => t.busySeconds), total((t) => t.waitedSeconds)];
  return { hidden: busy === 0 ? 1 : 1 - waited / busy, waitedSeconds: waited / steps };
}

const WORDS = ["step", "end"];

/** What the first rank was told, on every rank. */
function shared(word) {
  const number = scalar(WORDS.indexOf(word));
  const [told] = world.all.broadcast(number, 0).wait().dataSync();
  return WORDS[told];
}

/** What the first rank answers. */
const answer = (word) => (word === "step" ? step() : { ...end(), ...communication() });

if (world.rank === 0) {
  for await (const word of createInterface({ input: process.stdin })) {
    shared(word);
    process.stdout.write(`${JSON.stringify(answer(word))}\n`);
    if (word === "end") break;
  }
} else {
  for (let word = ""; word !== "end";) {
    word = shared("");
    answer(word);
  }
}
world.close();
