// What a run tells: a line per interval in Megatron's manner, and scalars under the names that Megatron
// gives them in TensorBoard, by steps and by samples.

import { openEventFile, type EventFile } from "@tessera/tensorboard";
import { isDue } from "@tessera/trainer/loop";
import {
  duration,
  reportSlowPhases,
  warnOnce,
  type Elapsed,
  type Metrics,
  type Reporter,
  type ReportContext,
} from "@tessera/trainer/report";

export interface ReportOptions {
  readonly say: (line: string) => void;
  readonly events: EventFile | null;
  readonly steps: number;
  readonly startStep: number;
  /** Steps between lines, and between scalars. */
  readonly lineInterval: number;
  readonly eventInterval: number;
  /** Tokens of a sample. */
  readonly sequenceLength: number;
  /** Of a token, forward and backward, over all ranks; recomputation is not counted. */
  readonly flopsPerToken: number;
  readonly ranks: number;
  /** 10^12 operations per second that a rank can do at most; null where nobody says. */
  readonly peakTflops: number | null;
  /** Milliseconds, from any start. */
  readonly now: () => number;
}

const TERA = 1e12;
/** Megatron shows no perplexity above e^20. */
const LARGEST_EXPONENT = 20;

export function megatronReporter(options: ReportOptions): Reporter {
  const { say, events, steps, startStep, lineInterval, eventInterval, now } = options;
  const started = now();
  const timeLeft = (step: number): string => {
    const each = (now() - started) / Math.max(1, step - startStep);
    return step < steps ? ` time left: ${duration((each * (steps - step)) / 1000)} |` : "";
  };
  const isFirst = (step: number): boolean => step === startStep + 1;
  const line = createLap();
  const scalars = createLap();
  const write = warnOnce((step: number, context: ReportContext, figures: Figures) => {
    if (events !== null) writeScalars(events, step, context, figures);
  }, say);
  return {
    ...reportSlowPhases(say),
    metrics(metrics, context) {
      const { step = 0, eval_loss: validation } = metrics;
      if (validation !== undefined) {
        const figures = validationFigures(validation);
        say(lineOf(`validation loss at iteration ${step}`, figures));
        write(step, context, figures);
        return;
      }
      for (const each of [line, scalars]) each.add(metrics, context.elapsed!);
      const figuresOf = (lap: Lap) => trainingFigures(metrics, { ...context, ...lap }, options);
      if (isDue(lineInterval, step, steps) || isFirst(step)) {
        const counted = `iteration ${String(step).padStart(8)}/${String(steps).padStart(8)}`;
        say(lineOf(counted, figuresOf(line.end())) + timeLeft(step));
      }
      const isWritten = isDue(eventInterval, step, steps) || isFirst(step);
      if (isWritten) write(step, context, figuresOf(scalars.end()));
    },
    note: say,
    end: () => events?.close(),
  };
}

/** What a line tells of all steps since the one before. */
interface Lap {
  readonly elapsed: Elapsed;
  /** Mean; undefined where no step had one. */
  readonly loss: number | undefined;
}

/** Joins what the trainer reports more often than it is told: Megatron's lines are means since the one before. */
function createLap() {
  let told: { readonly elapsed: Elapsed; readonly loss: number | undefined }[] = [];
  const total = (name: keyof Elapsed): number =>
    told.reduce((sum, { elapsed }) => sum + elapsed[name], 0);
  return {
    add: ({ loss }: Metrics, elapsed: Elapsed): void => void told.push({ loss, elapsed }),
    end(): Lap {
      const elapsed = {
        steps: total("steps"),
        samples: total("samples"),
        seconds: total("seconds"),
      };
      const counted = told.filter(({ loss }) => loss !== undefined);
      const steps = counted.reduce((sum, one) => sum + one.elapsed.steps, 0);
      const nats = counted.reduce((sum, one) => sum + one.loss! * one.elapsed.steps, 0);
      told = [];
      return { elapsed, loss: steps === 0 ? undefined : nats / steps };
    },
  };
}

type Figures = Readonly<Partial<Record<keyof typeof SHOWN, number>>>;

const perplexity = (loss: number): number => Math.exp(Math.min(LARGEST_EXPONENT, loss));

const validationFigures = (loss: number): Figures => ({
  eval_loss: loss,
  eval_perplexity: perplexity(loss),
});

/** The line of a loss on data that training does not see. */
export const evaluationLine = (start: string, loss: number): string =>
  lineOf(start, validationFigures(loss));

/** What follows from the trainer's figures and from what ran since the last ones. */
function trainingFigures(
  metrics: Metrics,
  context: ReportContext & Lap,
  options: ReportOptions,
): Figures {
  const { sequenceLength, flopsPerToken, ranks, peakTflops } = options;
  const { steps, samples, seconds } = context.elapsed;
  const speed = (samples * sequenceLength) / seconds;
  const tflops = (speed * flopsPerToken) / ranks / TERA;
  return {
    loss_scale: 1, // what losses are multiplied by where nothing scales them, as Megatron prints it
    ...metrics,
    ...(context.loss !== undefined && { loss: context.loss }),
    consumed_samples: context.consumedSamples,
    global_batch: context.globalBatch,
    iteration_ms: (1000 * seconds) / steps,
    tokens_per_second: speed,
    tflops,
    ...(peakTflops !== null && { utilization: tflops / peakTflops }),
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

/** In the order of the line. */
const SHOWN = {
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
  tflops: {
    label: "TFLOP/s per rank",
    show: (value) => value.toPrecision(3),
    tag: "throughput/tflops-per-rank",
  },
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
} as const satisfies Record<string, Figure>;

/** Those figures of `SHOWN` that there are. */
const shown = (figures: Figures): (readonly [Figure, number])[] =>
  Object.entries(SHOWN).flatMap(([name, figure]) => {
    const value = figures[name as keyof Figures];
    return value === undefined ? [] : [[figure, value] as const];
  });

const lineOf = (start: string, figures: Figures): string =>
  ` ${[start, ...shown(figures).map(([{ label, show }, value]) => `${label}: ${show(value)}`)].join(" | ")} |`;

const BY_SAMPLES = " vs samples";

/** TensorBoard's file in `folder`, of a run that goes on at `start`; null where no folder is named. */
export function openEvents(
  folder: string | undefined,
  { step, consumedSamples }: { readonly step: number; readonly consumedSamples: number },
): EventFile | null {
  if (folder === undefined) return null;
  const keeps = (tag: string, samples: number): boolean =>
    tag.endsWith(BY_SAMPLES) && samples <= consumedSamples;
  return openEventFile(folder, { restart: { step: step + 1, keeps } });
}

/** Every scalar twice: by steps, and by the samples that all steps so far took. */
function writeScalars(
  events: EventFile,
  step: number,
  context: ReportContext,
  figures: Figures,
): void {
  const tagged = shown(figures).flatMap(([{ tag }, value]) =>
    tag === undefined ? [] : [[tag, value] as const],
  );
  const bySamples = tagged.map(([tag, value]) => [`${tag}${BY_SAMPLES}`, value] as const);
  events.writeScalars(step, Object.fromEntries(tagged));
  events.writeScalars(context.consumedSamples, Object.fromEntries(bySamples));
}
