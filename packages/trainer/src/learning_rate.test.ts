// Which learning rate each step trains with.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, expect, test } from "@jest/globals";
import "@tensorflow/tfjs-backend-cpu";
import { enableProdMode, setBackend } from "@tensorflow/tfjs-core";
import { singleWorld } from "@tessera/collectives";
import { resolveBatch } from "@tessera/config";
import { createFeed } from "@tessera/data";
import { splitWindows } from "@tessera/data/texts";
import { gptConfig, gptModel } from "@tessera/gpt";
import { materialize, type Tree } from "@tessera/params";
import { sgd } from "@tessera/optim";
import { constant, linear, sequence, warmup, type ScheduleConfig } from "@tessera/optim/schedules";
import type { TrainingPlan, TrainingState } from "./index.js";
import { initialTrainingState, parallelize, takeStep } from "./loop.js";

beforeAll(async () => {
  enableProdMode();
  await setBackend("cpu");
});

function planWith(schedule: TrainingPlan["schedule"]): TrainingPlan {
  const sizes = { layerCount: 1, hiddenSize: 4, headCount: 1, vocabularySize: 4, maxPositions: 4 };
  const tokens = Uint8Array.from({ length: 40 }, (_, i) => (i * i) % 4);
  return {
    ...parallelize(singleWorld(), gptModel(gptConfig(sizes))),
    optimizer: sgd({ momentum: 0, weightDecay: 0 }, () => false),
    schedule,
    batch: resolveBatch({ microBatch: 1, accumulation: 1, dataRanks: 1 }),
    clipNorm: 0,
    lossScaling: null,
    seed: 1,
    train: createFeed(splitWindows(tokens, { length: 4, validation: 0 }).train),
    validation: null,
    evalBatch: 1,
    intervals: { steps: 8, logging: 0, evaluation: 0, saving: 0 },
  };
}

const start = (plan: TrainingPlan): TrainingState =>
  initialTrainingState(plan, materialize<Tree>(plan.model.spec, plan.seed));

/** The rates of the `steps` that follow `state`, and the state behind them. */
function ratesFrom(plan: TrainingPlan, state: TrainingState, steps: number) {
  const rates: number[] = [];
  for (let i = 0; i < steps; i += 1) {
    const taken = takeStep(plan, state);
    state = taken.state;
    rates.push(taken.report.learningRate);
  }
  return { rates, state };
}

test("is Megatron-LM's and transformers': the schedule's after the steps before, so never the end's", () => {
  const { schedule, rates } = JSON.parse(
    readFileSync(join(__dirname, "../fixtures/learning_rates.json"), "utf8"),
  ) as { readonly schedule: ScheduleConfig; readonly rates: readonly number[] };
  const plan = planWith(schedule);
  const first = ratesFrom(plan, start(plan), 2);
  // A state has steps and samples but no rate: one of an earlier version goes on with these too.
  const second = ratesFrom(plan, first.state, 2);
  expect([...first.rates, ...second.rates]).toEqual(rates);
});

test("may come from any function of the steps done", () => {
  const phases = [warmup(0.01, 2), constant(0.01, 2), linear({ from: 0.01, to: 0, length: 4 })];
  const plan = planWith(sequence(phases));
  const { rates } = ratesFrom(plan, start(plan), 6);
  expect(rates).toEqual([0, 0.005, 0.01, 0.01, 0.01, 0.0075]);
});
