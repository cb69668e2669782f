// Whether sizes of a batch make a whole, told with what says each of them.

import { rampSizes, UserError, type Origin } from "@tessera/config";
import { globalBatchOf, rampOf } from "./batch.js";
import type { Flags } from "./flags.js";
import { needed } from "./model.js";

/** Where flags' values come from; those that are not in it are defaults. */
export type Origins = ReadonlyMap<string, Origin>;

/** @throws UserError, with all numbers and where they come from, where a step does not divide among the ranks. */
export function checkBatch(flags: Flags, ranks: number, origins: Origins): void {
  const [tensor, pipeline] = [
    flags["tensor-model-parallel-size"],
    flags["pipeline-model-parallel-size"],
  ];
  const dataRanks = ranks / (tensor * pipeline);
  const micro = needed(flags, "micro-batch-size");
  const accumulation = flags["gradient-accumulation-steps"];
  const together = micro * dataRanks;
  const full = globalBatchOf(flags);
  if (full === undefined || !Number.isInteger(together)) return;
  const from = (flag: keyof Flags): string => {
    const { name, place } = origins.get(flag) ?? { name: `--${flag}`, place: "" };
    return [name, place].filter(Boolean).join(" ");
  };
  const parts = `${micro} samples (${from("micro-batch-size")}) x ${dataRanks} data ranks`;
  const ramp = rampOf(flags);
  const sizes = ramp === undefined ? [full] : rampSizes({ ...ramp, full });
  const odd = sizes.find((size) => size % together !== 0);
  if (odd !== undefined) {
    throw new UserError(
      `a step of ${odd} samples (${from(sourceOf(flags, odd === full))}): must be a multiple of ${parts}, ${together}`,
    );
  }
  if (accumulation === undefined || accumulation * together === full) return;
  throw new UserError(
    `a step of ${full} samples (${from(sourceOf(flags, true))}): is ${parts} x ${full / together} micro-batches, ` +
      `but ${accumulation} are accumulated (${from("gradient-accumulation-steps")}); change one of them`,
  );
}

/** The flag that says a size: the full batch, or one on the way to it. */
function sourceOf(flags: Flags, isFull: boolean): keyof Flags {
  if (flags["step-batch-size-schedule"].length > 0) return "step-batch-size-schedule";
  return isFull ? "global-batch-size" : "rampup-batch-size";
}
