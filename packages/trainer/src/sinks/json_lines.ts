// Metrics as lines of JSON, for programs.

import { appendFileSync } from "node:fs";
import type { MetricSink } from "./sink.js";

/** Appends an object per step to `file`. */
export const jsonLines = (file: string): MetricSink => ({
  write: (metrics) => appendFileSync(file, `${JSON.stringify(metrics)}\n`),
});
