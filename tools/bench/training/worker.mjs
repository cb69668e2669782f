// Our side of the training suites: takes a training step each time it is asked to, and reports at the
// end where the time went and how fast its matrix products are on their own. Of several ranks, the first one
// reads requests and broadcasts them.

import { createInterface } from "node:readline";
import { scalar } from "@tensorflow/tfjs-core";
import { joinWorld } from "@tessera/collectives-mpi";
import { chooseBackend } from "@tessera/engines";
import { createFeed, sequentialOrder } from "@tessera/data";
import { gptConfig, gptModel } from "@tessera/gpt";
import { measureLimits } from "@tessera/kernels-native";
import { disposeTree } from "@tessera/params";
import { planRun, startRun } from "@tessera/trainer";
import { takeStep } from "@tessera/trainer/loop";
import { profile } from "./profile.mjs";
import { medianOf } from "../shared/median.mjs";
import { flopsOf, productsAlone } from "./products.mjs";

/** @typedef {import("./stepper.mjs").Settings} Settings */
/** @typedef {import("./stepper.mjs").End} End */

/** @type {Settings} */
const settings = JSON.parse(process.argv[2]);
const { model: sizes, batch, time, precision, stage = 0, tensor = 1, sequence } = settings;
const { accumulation = 1, sumOrder = "fixed" } = settings;
const world = joinWorld(process.env);

await chooseBackend(settings.backend ?? "native", process.env);

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
  /**
   * @param {number} index
   * @param {Int32Array} target
   */
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
  batch: { micro: batch, accumulation },
  duration: { steps: 1000 },
  parallel: { tensor, sequence: sequence === true, zeroStage: stage, sumOrder },
  schedule: { kind: "constant", peak: 1e-4, floor: 0, warmup: 0, total: 1000 },
  precision: { storage: precision },
  seed: 1,
});
const { plan } = run;
let state = startRun(run);

/** Takes a step and reads its loss back, which waits for the computation. Returns its seconds. */
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

/** What the fastest unit can do that the precision may use; 0 where that is not known. */
function operationsPerSecond() {
  const limits = settings.backend === "native" ? measureLimits(process.env) : null;
  if (limits === null) return 0;
  return precision === "bf16" ? Math.max(limits.fp32, limits.bf16) : limits.fp32;
}

/**
 * Steps and their products alone, interleaved.
 * @returns {End}
 */
function end() {
  const peakBytes = process.resourceUsage().maxRSS * 1024;
  if (!settings.profile) return { peakBytes };
  const { calls, parts } = profile(step);
  if (calls.length === 0) {
    return { peakBytes, parts, flops: null, matmulFraction: null, limitFraction: null };
  }
  const flops = calls.reduce((sum, call) => sum + flopsOf(call), 0);
  const products = productsAlone(calls);
  const rounds = Array.from({ length: ROUNDS + 1 }, () => ({
    step: step().seconds,
    products: products.seconds(),
    limit: operationsPerSecond(),
  })).slice(1);
  const stepSeconds = medianOf(rounds.map((round) => round.step));
  const productSeconds = medianOf(rounds.map((round) => round.products));
  const matmulFraction = flops / stepSeconds / (products.flops / productSeconds);
  const limit = medianOf(rounds.map((round) => round.limit));
  const limitFraction = limit === 0 ? null : flops / stepSeconds / limit;
  return { peakBytes, parts, flops, matmulFraction, limitFraction };
}

/** Steps taken, the two that warm up among them. */
let steps = 0;

/** The fraction of communication that computation hid, and how long it held up a step. */
function communication() {
  /** @param {(traffic: import("@tessera/collectives").Traffic) => number} of */
  const total = (of) => plan.axes.reduce((sum, { group }) => sum + of(group.traffic), 0);
  const [busy, waited] = [total((t) => t.busySeconds), total((t) => t.waitedSeconds)];
  return { hidden: busy === 0 ? 1 : 1 - waited / busy, waitedSeconds: waited / steps };
}

const WORDS = ["step", "end"];

/**
 * The request that the first rank read, on every rank.
 * @param {string} word
 */
function broadcastWord(word) {
  const number = scalar(WORDS.indexOf(word));
  const [index] = world.all.broadcast(number, 0).wait().dataSync();
  return WORDS[index];
}

/**
 * What the first rank answers.
 * @param {string} word
 */
const answer = (word) => (word === "step" ? step() : { ...end(), ...communication() });

if (world.rank === 0) {
  for await (const word of createInterface({ input: process.stdin })) {
    broadcastWord(word);
    process.stdout.write(`${JSON.stringify(answer(word))}\n`);
    if (word === "end") break;
  }
} else {
  for (let word = ""; word !== "end";) {
    word = broadcastWord("");
    answer(word);
  }
}
world.close();
