// The files that a run's metrics go to, beside the terminal.

import { join } from "node:path";
import { jsonLines, tensorBoard, type MetricSink } from "@tessera/trainer/report";
import type { Flags } from "./flags.js";

/** Opened for a run that starts at `startStep`. */
export function openSinks(flags: Flags, startStep: number): MetricSink[] {
  const { output_dir, logging_dir, report_to } = flags;
  const metricsFile = join(output_dir, "metrics.jsonl");
  const wantsEvents = report_to ?? logging_dir !== undefined;
  return [
    jsonLines(metricsFile, startStep),
    ...(wantsEvents ? [tensorBoard(logging_dir ?? join(output_dir, "runs"), startStep)] : []),
  ];
}
