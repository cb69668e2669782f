// Where metrics go beside the terminal. A sink of your own is an object with `write`.

import { UserError } from "@tessera/config";
import type { Metrics, ReportContext, Reporter } from "../reporter.js";

/** Where metrics go, beside the console: a file, or a service. An object with `write` is one. */
export interface MetricSink {
  /** The metrics of a step, among them its number: `{ step: 20, loss: 2.1, ... }`. */
  write(metrics: Metrics, context: ReportContext): void;
  close?(): void;
}

/** `reporter`, whose metrics go to `sinks` too. A sink that cannot be written, as on a full disk, ends no run. */
export function withSinks(reporter: Reporter, sinks: readonly MetricSink[]): Reporter {
  const writes = sinks.map((sink) =>
    warnOnce(sink.write.bind(sink), (text) => reporter.note(text)),
  );
  return {
    ...reporter,
    metrics(metrics, context) {
      reporter.metrics(metrics, context);
      for (const write of writes) write(metrics, context);
    },
    end() {
      for (const sink of sinks) sink.close?.();
      reporter.end();
    },
  };
}

/** `write`, of which the first error that a user could mend is noted, and each later one passed over until it works. */
export function warnOnce<A extends readonly unknown[]>(
  write: (...args: A) => void,
  note: (text: string) => void,
): (...args: A) => void {
  let isWarned = false;
  return (...args) => {
    try {
      write(...args);
      isWarned = false;
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      if (!isWarned) note(`${error.message}; training goes on without these figures`);
      isWarned = true;
    }
  };
}
