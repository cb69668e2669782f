// What a run tells of its steps, with everything that comes from outside held fixed.

import { expect, test } from "@jest/globals";
import { megatronReporter, type ReportOptions } from "./report.js";

function createRecorder(options: Partial<ReportOptions> = {}) {
  const lines: string[] = [];
  const scalars: (readonly [number, Readonly<Record<string, number>>])[] = [];
  let ms = 0;
  const reporter = megatronReporter({
    say: (line) => lines.push(line),
    events: {
      path: "",
      writeScalars: (step, values) => scalars.push([step, values]),
      close: () => undefined,
    },
    steps: 100,
    startStep: 0,
    lineInterval: 10,
    eventInterval: 5,
    sequenceLength: 1000,
    flopsPerToken: 2e9,
    ranks: 4,
    peakTflops: 10,
    now: () => ms,
    ...options,
  });
  return { reporter, lines, scalars, pass: (more: number) => (ms += more) };
}

const metrics = { loss: 10.8203125, learning_rate: 1.5e-4, grad_norm: 1.25, loss_scale: 65536 };
/** Five steps of eight samples in four seconds: 10,000 tokens a second, half a TFLOP/s of a peak of ten a rank. */
const ran = { steps: 5, samples: 40, seconds: 4 };

test("a line has Megatron's cells in Megatron's order, and the time left", () => {
  const { reporter, lines, pass } = createRecorder();
  pass(20_000);
  reporter.metrics(
    { step: 20, ...metrics, skipped_steps: 2 },
    { consumedSamples: 160, globalBatch: 8, elapsed: ran },
  );
  expect(lines).toEqual([
    " iteration       20/     100 | consumed samples:          160 | elapsed time per iteration (ms): 800.0 | " +
      "learning rate: 1.500E-04 | global batch size:     8 | lm loss: 1.082031E+01 | loss scale: 65536.0 | " +
      "grad norm: 1.250 | number of skipped iterations:   2 | tokens per second: 10000.0 | " +
      "TFLOP/s per rank: 5.00 | utilization: 0.500 | time left: 1 min 20 s |",
  ]);
});

test("scalars go by steps and by samples, oftener than lines where that is asked for", () => {
  const { reporter, lines, scalars } = createRecorder();
  const at = { consumedSamples: 40, globalBatch: 8, elapsed: ran };
  reporter.metrics({ step: 5, ...metrics }, at);
  reporter.metrics({ step: 7, ...metrics }, at);
  expect(lines).toEqual([]);
  expect(scalars.map(([step]) => step)).toEqual([5, 40]);
  const [[, bySteps], [, bySamples]] = scalars as [(typeof scalars)[0], (typeof scalars)[0]];
  expect(bySteps).toMatchObject({
    "lm-loss-training/lm loss": 10.8203125,
    "learning-rate/learning-rate": 1.5e-4,
    "batch-size/batch-size": 8,
    "loss-scale/loss-scale": 65536,
    "grad-norm/grad-norm": 1.25,
    "iteration-time/iteration-time": 800,
    "throughput/tokens-per-second": 10_000,
    "throughput/utilization": 0.5,
  });
  expect(Object.keys(bySamples)).toEqual(Object.keys(bySteps).map((tag) => `${tag} vs samples`));
});

test("validation has a line and scalars of its own; perplexity ends at e^20", () => {
  const { reporter, lines, scalars } = createRecorder();
  const at = { consumedSamples: 80, globalBatch: 8, elapsed: null };
  reporter.metrics({ step: 10, eval_loss: Math.log(50) }, at);
  reporter.metrics({ step: 20, eval_loss: 30 }, at);
  expect(lines[0]).toBe(
    " validation loss at iteration 10 | lm loss value: 3.912023E+00 | lm loss PPL: 5.000000E+01 |",
  );
  expect(scalars[0]![1]["lm-loss-validation/lm loss validation ppl"]).toBeCloseTo(50, 9);
  expect(scalars[2]![1]["lm-loss-validation/lm loss validation ppl"]).toBe(Math.exp(20));
});

test("without a peak there is no utilization", () => {
  const { reporter, scalars } = createRecorder({ peakTflops: null });
  reporter.metrics({ step: 5, ...metrics }, { consumedSamples: 40, globalBatch: 8, elapsed: ran });
  expect(scalars[0]![1]).not.toHaveProperty("throughput/utilization");
});
