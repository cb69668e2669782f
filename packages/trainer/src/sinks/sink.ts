// Where metrics go beside the terminal. A sink of your own is an object with `write`.

import type { Metrics, ReportContext, Reporter } from "../reporter.js";

export interface MetricSink {
  /** The metrics of a step, among them its number: `{ step: 20, loss: 2.1, ... }`. */
  write(metrics: Metrics, context: ReportContext): void;
  close?(): void;
}

/** `reporter`, whose metrics go to `sinks` too. */
export const withSinks = (reporter: Reporter, sinks: readonly MetricSink[]): Reporter => ({
  ...reporter,
  metrics(metrics, context) {
    reporter.metrics(metrics, context);
    for (const sink of sinks) sink.write(metrics, context);
  },
  end() {
    for (const sink of sinks) sink.close?.();
    reporter.end();
  },
});
