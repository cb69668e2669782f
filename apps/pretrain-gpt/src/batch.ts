// How many samples a step takes, as the flags say.

import { UserError, type EvenRamp, type StagedRamp } from "@tessera/config";
import type { BatchConfig } from "@tessera/trainer";
import type { Flags } from "./flags.js";
import { needed } from "./model.js";

/** @throws UserError where flags say the same in several ways. */
export function batchOf(flags: Flags): BatchConfig {
  const accumulation = flags["gradient-accumulation-steps"];
  const global = globalBatchOf(flags);
  const ramp = rampOf(flags);
  return {
    micro: needed(flags, "micro-batch-size"),
    ...(accumulation !== undefined && { accumulation }),
    ...(global !== undefined && { global }),
    ...(ramp !== undefined && { ramp }),
  };
}

/** Samples of a full step; undefined where they follow from the ranks. */
export function globalBatchOf(flags: Flags): number | undefined {
  const said = flags["global-batch-size"];
  const last = stagesOf(flags)?.at(-1)?.size;
  if (said === undefined || last === undefined || said === last) return said ?? last;
  throw new UserError(
    `--step-batch-size-schedule: ends with steps of ${last} samples, but --global-batch-size is ${said}; drop it`,
  );
}

/** Samples of a full step on `ranks` ranks. */
export function fullBatch(flags: Flags, ranks: number): number {
  const dataRanks =
    ranks / (flags["tensor-model-parallel-size"] * flags["pipeline-model-parallel-size"]);
  const usual =
    needed(flags, "micro-batch-size") * dataRanks * (flags["gradient-accumulation-steps"] ?? 1);
  return globalBatchOf(flags) ?? usual;
}

/** How the batch grows to that; undefined where it does not. */
export function rampOf(
  flags: Flags,
): Omit<EvenRamp, "full"> | Omit<StagedRamp, "full"> | undefined {
  const stages = stagesOf(flags);
  const words = flags["rampup-batch-size"];
  if (stages !== undefined && words.length > 0) {
    throw new UserError("--rampup-batch-size, --step-batch-size-schedule: give one of them");
  }
  if (stages !== undefined) return { stages };
  if (words.length === 0) return undefined;
  const numbers = words.map(Number);
  const isRight = numbers.every((each) => Number.isSafeInteger(each) && each > 0);
  if (words.length !== 3 || !isRight) {
    throw new UserError(`--rampup-batch-size ${words.join(" ")}: must be START INCREMENT SAMPLES`);
  }
  const [start, increment, samples] = numbers as [number, number, number];
  return { start, increment, samples };
}

const UNITS: Readonly<Record<string, number>> = { K: 1e3, M: 1e6, B: 1e9, T: 1e12 };

/** Megatron-LM's notation: thresholds in tokens, "0:768 250B:1536". */
function stagesOf(flags: Flags): StagedRamp["stages"] | undefined {
  const text = flags["step-batch-size-schedule"].join(" ");
  if (text === "") return undefined;
  const length = needed(flags, "seq-length");
  const stages = text
    .split(/[\s,]+/)
    .filter(Boolean)
    .map((entry) => {
      const [, tokens, size] = /^([^:]+):([^:]+)$/.exec(entry) ?? [];
      return { from: Math.floor(readCount(tokens) / length), size: readCount(size) };
    });
  const isRight = stages.every(
    ({ from, size }, i) => size > 0 && (i === 0 ? from === 0 : from > stages[i - 1]!.from),
  );
  if (stages.length > 0 && isRight) return stages;
  throw new UserError(
    `--step-batch-size-schedule ${text}: must be TOKENS:SIZE ..., from 0 tokens on and rising, as 0:768 250B:1536`,
  );
}

/** A whole number, also as 2.4B; NaN for no number. */
function readCount(text = ""): number {
  const [, digits = "", unit = ""] = /^(\d+(?:\.\d+)?)([KMBT]?)$/i.exec(text) ?? [];
  const value = digits === "" ? NaN : Math.floor(Number(digits) * (UNITS[unit.toUpperCase()] ?? 1));
  return Number.isSafeInteger(value) ? value : NaN;
}
