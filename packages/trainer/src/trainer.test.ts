import { beforeAll, describe, expect, test } from "@jest/globals";
import "@tensorflow/tfjs-backend-cpu";
import { enableProdMode, memory, setBackend, type Tensor } from "@tensorflow/tfjs-core";
import { resolveBatch } from "@tessera/config";
import { singleWorld } from "@tessera/collectives";
import { createFeed, shuffledOrder } from "@tessera/data";
import { splitWindows } from "@tessera/data/texts";
import { gptConfig, gptModel, uniformDropout } from "@tessera/gpt";
import { disposeTree, leaves, mapTensors, materialize, type Tree } from "@tessera/params";
import { adam, decayOf } from "@tessera/optim";
import { constant } from "@tessera/optim/schedules";
import { evaluate, type TrainingPlan, type TrainingState } from "./index.js";
import { initialTrainingState, parallelize, takeStep, train, type Saver } from "./loop.js";
import { duration, silent, stopwatch, type Metrics, type Reporter } from "./report.js";

beforeAll(async () => {
  enableProdMode();
  await setBackend("cpu");
});

const STEPS = 6;

function makePlan(dropout = 0, accumulation = 1): TrainingPlan {
  const model = gptModel(
    gptConfig({
      layerCount: 1,
      hiddenSize: 8,
      headCount: 2,
      vocabularySize: 16,
      maxPositions: 8,
      dropout: uniformDropout(dropout),
    }),
  );
  const tokens = Uint8Array.from({ length: 400 }, (_, i) => (i * i + 3 * i) % 16);
  const windows = splitWindows(tokens, { length: 8, validation: 0.2 });
  const options = { beta1: 0.9, beta2: 0.95, epsilon: 1e-8, weightDecay: 0.1, decoupled: true };
  const parallelized = parallelize(singleWorld(), model);
  return {
    ...parallelized,
    optimizer: adam(options, decayOf(parallelized.model.spec)),
    schedule: { kind: "cosine", peak: 0.01, floor: 0, warmup: 2, total: STEPS },
    batch: resolveBatch({ microBatch: 4 / accumulation, accumulation, dataRanks: 1 }),
    clipNorm: 1,
    lossScaling: null,
    seed: 5,
    train: createFeed(windows.train, { order: shuffledOrder(windows.train.count, 5) }),
    validation: createFeed(windows.validation!),
    evalBatch: 3,
    intervals: { steps: STEPS, logging: 1, evaluation: 3, saving: 0 },
  };
}

const start = (plan: TrainingPlan): TrainingState =>
  initialTrainingState(plan, materialize<Tree>(plan.model.spec, plan.seed));

/** A copy that shares nothing, as a checkpoint makes. */
const copy = (state: TrainingState): TrainingState => {
  const cloned = <T extends Tree>(tree: T): T => mapTensors(tree, (leaf) => leaf.clone());
  const { params, optimizer } = state;
  return { ...state, params: cloned(params), optimizer: cloned(optimizer) };
};

/** Gives each state to be saved to `save`. */
const kept = (save: (state: TrainingState) => void): Saver => ({
  save(state) {
    save(state);
    return Promise.resolve();
  },
  retain: () => undefined,
  check: () => undefined,
});

const none = kept(() => undefined);

const bits = (tree: Tree) =>
  leaves<Tensor>(tree).map(([path, leaf]) => [path, [...leaf.dataSync()]]);

/** Keeps what is told. */
function recorder(): Reporter & { readonly told: Metrics[] } {
  const told: Metrics[] = [];
  return { ...silent, told, metrics: (metrics) => told.push(metrics) };
}

const lossesOf = (told: readonly Metrics[]) =>
  told.filter((metrics) => "loss" in metrics).map((metrics) => metrics["loss"]);

test("live tensors after a step equal live tensors before it", () => {
  const plan = makePlan(0.1, 2);
  let state = start(plan);
  const before = memory().numTensors;
  for (let i = 0; i < 3; i += 1) {
    const taken = takeStep(plan, state);
    state = taken.state;
    disposeTree({ loss: taken.report.loss, norm: taken.report.gradientNorm });
    expect(memory().numTensors).toBe(before);
  }
  evaluate(plan, state.params, plan.validation!);
  expect(memory().numTensors).toBe(before);
});

test("training learns, evaluates and reports at its intervals, and once more at the end", async () => {
  const plan = makePlan();
  const reporter = recorder();
  const saved: number[] = [];
  const result = await train(
    { ...plan, intervals: { ...plan.intervals, saving: 4 } },
    start(plan),
    { reporter, saver: kept((state) => saved.push(state.step)) },
  );
  expect(saved).toEqual([4, 6]);
  expect(reporter.told.filter((m) => "eval_loss" in m).map((m) => m["step"])).toEqual([3, 6]);
  expect(lossesOf(reporter.told)).toHaveLength(STEPS);
  expect(result.trainLoss).toBeLessThan(lossesOf(reporter.told)[0]!);
  expect(result).toMatchObject({ interrupted: false, state: { step: 6, consumedSamples: 24 } });
});

test("stopping and resuming gives, to the bit, what not stopping gives", async () => {
  const through = recorder();
  const whole = await train(makePlan(0.2), start(makePlan(0.2)), {
    reporter: through,
    saver: none,
  });
  const stop = new AbortController();
  const first = recorder();
  let last: TrainingState | undefined;
  const stopped = await train(makePlan(0.2), start(makePlan(0.2)), {
    reporter: { ...first, tick: (step) => step === 3 && stop.abort() },
    saver: kept((state) => (last = copy(state))),
    signal: stop.signal,
  });
  expect(stopped.interrupted).toBe(true);
  expect(last!.step).toBe(3);
  const second = recorder();
  const resumed = await train(makePlan(0.2), last!, { reporter: second, saver: none });
  expect([...lossesOf(first.told), ...lossesOf(second.told)]).toEqual(lossesOf(through.told));
  expect(bits(resumed.state.params)).toEqual(bits(whole.state.params));
});

describe.each([0, 0.2])("with dropout %d", (dropout) => {
  test("accumulating micro-batches equals one large batch", () => {
    const [one, four] = [1, 4].map((accumulation) => {
      const plan = makePlan(dropout, accumulation);
      return takeStep(plan, start(plan)).report;
    });
    expect(four!.loss.dataSync()[0]).toBeCloseTo(one!.loss.dataSync()[0]!, 5);
    expect(four!.gradientNorm.dataSync()[0]).toBeCloseTo(one!.gradientNorm.dataSync()[0]!, 5);
  });
});

test("a batch that grows takes the samples it says, and a schedule may count them", async () => {
  const full = makePlan(0, 4); // micro-batches of one, four to a step
  const plan: TrainingPlan = {
    ...full,
    ramp: { start: 1, increment: 1, samples: 6, full: 4 }, // one more for every two samples
    schedule: { kind: "constant", peak: 0.1, floor: 0, warmup: 10, total: 100 },
    scheduleUnit: "samples",
  };
  const reporter = recorder();
  const result = await train(plan, start(plan), { reporter, saver: none });
  const before = [0, 1, 2, 4, 7, 11]; // batches of 1, 1, 2, 3, 4, 4
  expect(result.samples).toBe(15);
  expect(result.state.consumedSamples).toBe(15);
  const rates = reporter.told.flatMap((metrics) => metrics["learning_rate"] ?? []);
  before.forEach((samples, i) => expect(rates[i]).toBeCloseTo(0.1 * Math.min(1, samples / 10), 12));
  disposeTree({ params: result.state.params, moments: result.state.optimizer });
});

describe("with a loss scale", () => {
  const scaled = (initial: number, minimum = 1): TrainingPlan => ({
    ...makePlan(),
    lossScaling: { initial, minimum, window: 4, hysteresis: 1 },
  });

  test("that fits, training is what it is without, and the scale grows", async () => {
    const [without, with_] = [recorder(), recorder()];
    await train(makePlan(), start(makePlan()), { reporter: without, saver: none });
    const plan = scaled(1024);
    const { state } = await train(plan, start(plan), { reporter: with_, saver: none });
    expect(lossesOf(with_.told)).toEqual(lossesOf(without.told));
    expect(state.lossScale).toMatchObject({ scale: 2048, skippedSteps: 0 });
  });

  test("that is too large, steps are left out until it fits", () => {
    const plan = { ...scaled(2 ** 68), schedule: constant(0.01).rate };
    let state = start(plan);
    const first = bits(state.params);
    const before = memory().numTensors;
    const moved: boolean[] = [];
    for (let i = 0; i < 8; i += 1) {
      const taken = takeStep(plan, state);
      state = taken.state;
      moved.push(JSON.stringify(bits(state.params)) !== JSON.stringify(first));
      disposeTree({ loss: taken.report.loss, norm: taken.report.gradientNorm });
      expect(memory().numTensors).toBe(before);
    }
    const { skippedSteps } = state.lossScale!;
    expect(skippedSteps).toBeGreaterThan(0);
    expect(skippedSteps).toBeLessThan(moved.length);
    expect(moved).toEqual(moved.map((_one, i) => i >= skippedSteps));
    expect(state.consumedSamples).toBe(8 * 4);
  });

  test("that is too large and may not shrink, training ends and says why", async () => {
    const plan = scaled(2 ** 100, 2 ** 100);
    const hooks = { reporter: silent, saver: none };
    await expect(train(plan, start(plan), hooks)).rejects.toThrow(
      /overflow fp16 at the smallest loss scale.*or train in bf16/,
    );
  });
});

test("evaluation does not depend on how rows are batched", () => {
  const plan = makePlan();
  const { params } = start(plan);
  const [a, b] = [1, 7].map((evalBatch) =>
    evaluate({ ...plan, evalBatch }, params, plan.validation!),
  );
  expect(a).toBeCloseTo(b!, 5);
});

test("a stopwatch counts training alone, in all and by laps", async () => {
  let ms = 0;
  const watch = stopwatch(() => ms);
  const step = (samples: number, took: number): void => {
    ms += took;
    watch.stepTaken(samples);
  };
  step(4, 500);
  step(4, 500);
  expect(watch.lap()).toEqual({ steps: 2, samples: 8, seconds: 1 });
  ms += 250; // of the next step
  await watch.apart(() => (ms += 10_000));
  step(8, 1750);
  expect(watch.lap()).toEqual({ steps: 1, samples: 8, seconds: 2 });
  expect(watch.total()).toEqual({ steps: 3, samples: 16, seconds: 3 });
});

test.each([
  [5.2, "5 s"],
  [184, "3 min 4 s"],
  [3725, "1 h 2 min"],
])("%d seconds are read as %s", (seconds, text) => {
  expect(duration(seconds)).toBe(text);
});
