// Reports on a run in progress: metrics, progress of slow phases, and notes for people.

import { MultiBar, Presets } from "cli-progress";
import type { Quantity } from "@tessera/config/units";
import type { Elapsed } from "./stopwatch.js";

/** One line of metrics.jsonl. */
export type Metrics = Readonly<Record<string, number>>;

/** Where training was when metrics were read. */
export interface ReportContext {
  readonly consumedSamples: Quantity<"samples">;
  /** Of the last step. */
  readonly globalBatch: Quantity<"samples">;
  /** What ran since training metrics were reported last; null where these metrics are not of training. */
  readonly elapsed: Elapsed | null;
}

/** Shows a run to people: progress, metrics and notes. A rank that shows nothing has `silent`. */
export interface Reporter {
  /** After every step, with the number of steps taken. */
  tick(step: Quantity<"steps">, tokensPerSecond: number): void;
  /** Between steps: progress of something else that takes a while. */
  phase(name: string, done: number, all: number): void;
  metrics(metrics: Metrics, context: ReportContext): void;
  /** A sentence for people. */
  note(text: string): void;
  end(): void;
}

/** Where a reporter of the console writes, and of how many steps. */
export interface ReporterOptions {
  readonly stream: NodeJS.WriteStream;
  /** Steps of the run. */
  readonly steps: Quantity<"steps">;
  /** The step that it goes on from. */
  readonly startStep: Quantity<"steps">;
  /** Whether to draw a progress bar. Default: the stream is a terminal. */
  readonly isTerminal?: boolean;
}

/** A bar with speed and time left on a terminal, plain lines elsewhere. */
export function consoleReporter(options: ReporterOptions): Reporter {
  const { stream, steps, startStep, isTerminal = stream.isTTY } = options;
  const { say, tick, phase, end } = isTerminal ? terminal(options) : plain(stream);
  const started = performance.now();
  const timeLeft = (step: number): string => {
    const done = step - startStep;
    const seconds = (performance.now() - started) / 1000;
    const isShown = !isTerminal && done > 0 && step < steps;
    return isShown ? `, ${duration(((steps - step) * seconds) / done)} left` : "";
  };
  return {
    tick,
    phase,
    metrics(metrics) {
      const { step = 0, ...shown } = metrics;
      const figures = Object.entries(shown).map(([name, value]) => `${name} ${figure(value)}`);
      say(`step ${step}/${steps}  ${figures.join("  ")}${timeLeft(step)}`);
    },
    note: say,
    end,
  };
}

interface Display extends Pick<Reporter, "tick" | "phase"> {
  readonly say: (text: string) => void;
  readonly end: () => void;
}

/** Between lines on a phase that a step waits for. */
const PHASE_INTERVAL_MS = 10_000;

/** Logs the progress of a phase that a step waits for, where nothing else was logged for a while. */
export function reportSlowPhases(say: (text: string) => void): Pick<Reporter, "tick" | "phase"> {
  let logged = performance.now();
  return {
    tick: () => (logged = performance.now()),
    phase(name, done, all) {
      if (performance.now() - logged < PHASE_INTERVAL_MS) return;
      logged = performance.now();
      say(`${name} ${done}/${all}`);
    },
  };
}

function plain(stream: NodeJS.WriteStream): Display {
  const say = (text: string): void => void stream.write(`${text}\n`);
  return { say, ...reportSlowPhases(say), end: () => undefined };
}

/** Lines above, a bar below them that goes away at the end. */
function terminal({ stream, steps, startStep }: ReporterOptions): Display {
  const format = "{bar} {percentage}%  step {value}/{total}  {speed}  {eta_formatted} left";
  const settings = { stream, format, etaBuffer: 50, clearOnComplete: true, hideCursor: true };
  const bars = new MultiBar(settings, Presets.shades_classic);
  const bar = bars.create(steps, startStep, { speed: "" });
  return {
    say(text) {
      bars.log(`${text}\n`);
      bars.update();
    },
    tick: (step, tokensPerSecond) =>
      bar.update(step, { speed: `${Math.round(tokensPerSecond)} tokens/s` }),
    phase(name, done, all) {
      bar.update({ speed: `${name} ${done}/${all}` });
      bars.update(); // what it waits for leaves its own timer no turn
    },
    end() {
      bars.update();
      bars.stop();
    },
  };
}

/** Four significant digits. */
const figure = (value: number): string =>
  Number.isInteger(value) ? String(value) : String(Number(value.toPrecision(4)));

/** Seconds as `1 h 2 min`, `3 min 4 s` or `5 s`. */
export function duration(seconds: number): string {
  const s = Math.round(seconds);
  if (s >= 3600) return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
  return s >= 60 ? `${Math.floor(s / 60)} min ${s % 60} s` : `${s} s`;
}

/** Reports nothing. */
export const silent: Reporter = {
  tick: () => undefined,
  phase: () => undefined,
  metrics: () => undefined,
  note: () => undefined,
  end: () => undefined,
};
