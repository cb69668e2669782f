// How many samples a step takes, from the flags and the DeepSpeed configuration together.

import { resolveBatch, UserError, type BatchPlan, type ConfiguredFlags } from "@tessera/config";
import type { Flags } from "./flags.js";

const MICRO = "per_device_train_batch_size";
const ACCUMULATION = "gradient_accumulation_steps";

/**
 * The batch on `ranks` ranks. Where `train_batch_size` is said, a part of it that nobody said follows from
 * it, as in DeepSpeed. Throws a UserError, with all numbers and where they come from, where it is no product.
 */
export function chooseBatch(configured: ConfiguredFlags<Flags>, ranks: number): BatchPlan {
  const { flags, globalBatch: said, origins } = configured;
  const plan = (microBatch: number, accumulation: number): BatchPlan =>
    resolveBatch({ microBatch, accumulation, dataRanks: ranks });
  const { [MICRO]: micro, [ACCUMULATION]: accumulation } = flags;
  if (said === null) return plan(micro, accumulation);
  const isFree = (flag: typeof MICRO | typeof ACCUMULATION): boolean => !origins.has(flag);
  const [chosenMicro, chosenAccumulation] = isFree(ACCUMULATION)
    ? isFree(MICRO)
      ? [said / ranks, 1]
      : [micro, said / (micro * ranks)]
    : [isFree(MICRO) ? said / (accumulation * ranks) : micro, accumulation];
  const fits =
    Number.isInteger(chosenMicro) &&
    Number.isInteger(chosenAccumulation) &&
    chosenMicro * chosenAccumulation * ranks === said;
  if (fits) return plan(chosenMicro, chosenAccumulation);
  const from = (flag: typeof MICRO | typeof ACCUMULATION): string => {
    const origin = origins.get(flag);
    return origin === undefined ? "any" : `${flags[flag]} (${origin.name} ${origin.place})`;
  };
  throw new UserError(
    `train_batch_size is ${said} in ${flags.deepspeed}, but ${MICRO} ${from(MICRO)} x ` +
      `${ACCUMULATION} ${from(ACCUMULATION)} x ${ranks} ranks is ` +
      (isFree(MICRO) || isFree(ACCUMULATION) ? "never that" : `${micro * accumulation * ranks}`),
  );
}
