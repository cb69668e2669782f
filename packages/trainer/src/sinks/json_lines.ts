// Metrics as lines of JSON, for programs.

import { existsSync, readFileSync } from "node:fs";
import { appendText, writeFileAtomic } from "@tessera/files";
import type { MetricSink } from "./sink.js";

/**
 * Appends an object per step to `file`. Of what a run before wrote there, only the lines up to `startStep` stay, where
 * this run starts. Default: all.
 *
 * @throws UserError where the file cannot be written.
 */
export function jsonLines(file: string, startStep = Infinity): MetricSink {
  if (existsSync(file) && startStep < Infinity) {
    writeFileAtomic(file, linesUntil(readFileSync(file, "utf8"), startStep));
  }
  return { write: (metrics) => appendText(file, `${JSON.stringify(metrics)}\n`) };
}

/** The lines of steps up to `last`; what a killed process wrote half of is left out. */
const linesUntil = (text: string, last: number): string =>
  text
    .split("\n")
    .filter((line) => stepOf(line) <= last)
    .map((line) => `${line}\n`)
    .join("");

function stepOf(line: string): number {
  try {
    const { step } = JSON.parse(line) as { readonly step?: unknown };
    return typeof step === "number" && step > 0 ? step : Infinity;
  } catch {
    return Infinity;
  }
}
