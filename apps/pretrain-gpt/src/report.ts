// What a run tells: a line per interval in Megatron's manner, and scalars under the names that Megatron
// gives them in TensorBoard, by steps and by samples.

import type { EventFile } from "@tessera/tensorboard";
import { duration, type Metrics, type Reporter } from "@tessera/trainer";

export interface ReportOptions {
  readonly say: (line: string) => void;
  readonly events: EventFile | null;
  readonly steps: number;
  readonly startStep: number;
  /** Of a token, forward and backward, over all ranks; recomputation is not counted. */
  readonly flopsPerToken: number;
  readonly ranks: number;
  /** Operations per second that a rank can do at most; undefined where nobody says. */
  readonly peakFlops: number | undefined;
  /** Milliseconds, from any start. */
  readonly now: () => number;
}

const TERA = 1e12;
/** Megatron shows no perplexity above e^20. */
const LARGEST_EXPONENT = 20;

export function megatronReporter(options: ReportOptions): Reporter {
  const { say, events, steps, startStep, now } = options;
  const started = now();
  let before = { step: startStep, at: started };

  /** What follows from the trainer's figures and from the clock. */
  const completed = (metrics: Metrics): Metrics => {
    const { step = 0, eval_loss: validation, tokens_per_second: speed = 0 } = metrics;
    if (validation !== undefined) {
      return { ...metrics, eval_perplexity: Math.exp(Math.min(LARGEST_EXPONENT, validation)) };
    }
    const at = now();
    const iteration_ms = (at - before.at) / Math.max(1, step - before.step);
    before = { step, at };
    const flops = (speed * options.flopsPerToken) / options.ranks;
    const { peakFlops } = options;
    return {
      ...metrics,
      iteration_ms,
      tflops: flops / TERA,
      ...(peakFlops !== undefined && { utilization: flops / peakFlops }),
    };
  };

  const timeLeft = (step: number): string => {
    const each = (now() - started) / Math.max(1, step - startStep);
    return step < steps ? ` time left: ${duration((each * (steps - step)) / 1000)} |` : "";
  };

  return {
    tick: () => undefined,
    metrics(metrics) {
      const figures = completed(metrics);
      const { step = 0 } = figures;
      if ("eval_loss" in figures) say(lineOf(`validation at iteration ${step}`, figures));
      else {
        const counted = `iteration ${String(step).padStart(8)}/${String(steps).padStart(8)}`;
        say(lineOf(counted, figures) + timeLeft(step));
      }
      if (events !== null) write(events, figures);
    },
    note: say,
    end: () => events?.close(),
  };
}

interface Figure {
  /** In the line. */
  readonly label: string;
  readonly show: (value: number) => string;
  /** In TensorBoard; undefined for a figure that only the line shows. */
  readonly tag?: string;
}

const padded = (width: number) => (value: number) => String(value).padStart(width);
const fixed = (digits: number) => (value: number) => value.toFixed(digits);
/** 1.500E-04, as C prints it. */
const scientific = (digits: number) => (value: number) =>
  value
    .toExponential(digits)
    .toUpperCase()
    .replace(/E([+-])(\d)$/, "E$10$2");

/** By what the trainer calls them, in the order of the line. */
const FIGURES: Readonly<Record<string, Figure>> = {
  consumed_samples: { label: "consumed samples", show: padded(12) },
  iteration_ms: {
    label: "elapsed time per iteration (ms)",
    show: fixed(1),
    tag: "iteration-time/iteration-time",
  },
  learning_rate: {
    label: "learning rate",
    show: scientific(3),
    tag: "learning-rate/learning-rate",
  },
  global_batch: { label: "global batch size", show: padded(5), tag: "batch-size/batch-size" },
  loss: { label: "lm loss", show: scientific(6), tag: "lm-loss-training/lm loss" },
  loss_scale: { label: "loss scale", show: fixed(1), tag: "loss-scale/loss-scale" },
  grad_norm: { label: "grad norm", show: fixed(3), tag: "grad-norm/grad-norm" },
  skipped_steps: { label: "number of skipped iterations", show: padded(3) },
  tokens_per_second: {
    label: "tokens per second",
    show: fixed(1),
    tag: "throughput/tokens-per-second",
  },
  tflops: { label: "TFLOP/s per rank", show: fixed(3), tag: "throughput/tflops-per-rank" },
  utilization: { label: "utilization", show: fixed(3), tag: "throughput/utilization" },
  eval_loss: {
    label: "lm loss value",
    show: scientific(6),
    tag: "lm-loss-validation/lm loss validation",
  },
  eval_perplexity: {
    label: "lm loss PPL",
    show: scientific(6),
    tag: "lm-loss-validation/lm loss validation ppl",
  },
};

function lineOf(start: string, figures: Metrics): string {
  const cells = Object.entries(FIGURES).flatMap(([name, { label, show }]) => {
    const value = figures[name];
    return value === undefined ? [] : [`${label}: ${show(value)}`];
  });
  return ` ${[start, ...cells].join(" | ")} |`;
}

/** Every scalar twice: by steps, and by the samples that all steps so far took. */
function write(events: EventFile, figures: Metrics): void {
  const { step = 0, consumed_samples: samples } = figures;
  const tagged = Object.entries(FIGURES).flatMap(([name, { tag }]) => {
    const value = figures[name];
    return value === undefined || tag === undefined ? [] : [[tag, value] as const];
  });
  events.scalars(step, Object.fromEntries(tagged));
  if (samples === undefined) return;
  events.scalars(
    samples,
    Object.fromEntries(tagged.map(([tag, value]) => [`${tag} vs samples`, value])),
  );
}
