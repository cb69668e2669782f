// Our side of the training suite: takes a training step each time it is told to, and tells at the
// end where the time went and how fast its matrix products are on their own.

import { createInterface } from "node:readline";
import { enableProdMode, setBackend } from "@tensorflow/tfjs-core";
import { resolveBatch } from "@tessera/config";
import { sequentialOrder } from "@tessera/data";
import { gpt, gptConfig } from "@tessera/gpt";
import { disposeTree, materialize } from "@tessera/layers";
import { adam, decayOf, initialState } from "@tessera/optim";
import { takeStep } from "@tessera/trainer";
import { profile } from "./profile.mjs";
import { medianOf } from "./median.mjs";
import { flopsOf, productsAlone } from "./products.mjs";

const settings = JSON.parse(process.argv[2]);
const { model: sizes, batch, time, precision } = settings;

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
const model = gpt(config, { storage: precision });

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

const plan = {
  model,
  optimizer: adam(
    { beta1: 0.9, beta2: 0.95, epsilon: 1e-8, weightDecay: 0.1, decoupled: true },
    decayOf(model.spec),
  ),
  schedule: { kind: "constant", peak: 1e-4, floor: 0, warmup: 0, total: 1000 },
  batch: resolveBatch({ microBatch: batch, accumulation: 1, dataRanks: 1 }),
  clipNorm: 1,
  lossScaling: null,
  seed: 1,
  train: samples,
  order: sequentialOrder(samples.count),
  validation: null,
  evalBatch: 1,
  intervals: { steps: 1000, logging: 1, evaluation: 0, saving: 0 },
};

const params = materialize(model.spec, plan.seed);
let state = {
  params,
  optimizer: initialState(plan.optimizer, params),
  step: 0,
  consumedSamples: 0,
};

/** A step, whole: what it computed is read back. Its seconds. */
function step() {
  const began = performance.now();
  const taken = takeStep(plan, { ...state, consumedSamples: 0 });
  const [loss] = taken.report.loss.dataSync();
  const seconds = (performance.now() - began) / 1000;
  state = taken.state;
  disposeTree({ loss: taken.report.loss, norm: taken.report.gradientNorm });
  return { seconds, loss };
}

const ROUNDS = 5;

/** Steps and their products alone in turn, so that both meet the same machine. */
function end() {
  const peakBytes = process.resourceUsage().maxRSS * 1024;
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

for await (const word of createInterface({ input: process.stdin })) {
  process.stdout.write(`${JSON.stringify(word === "end" ? end() : step())}\n`);
  if (word === "end") break;
}
