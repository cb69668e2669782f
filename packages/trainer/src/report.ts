// Reporting on a run: to people on a terminal, to programs by metric sinks.

export { describeMemory, describeRanks, formatBytes } from "./describe.js";
export {
  consoleReporter,
  duration,
  reportSlowPhases,
  silent,
  type Metrics,
  type ReportContext,
  type Reporter,
  type ReporterOptions,
} from "./reporter.js";
export { jsonLines } from "./sinks/json_lines.js";
export { warnOnce, withSinks, type MetricSink } from "./sinks/sink.js";
export { tensorBoard } from "./sinks/tensorboard.js";
export { stopwatch, type Elapsed } from "./stopwatch.js";
