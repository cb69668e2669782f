// From flags to one resolved description of a run: every number has one source, and whatever does not fit
// together is refused here, before memory is taken or a rank waits for another.

import { UserError } from "@tessera/config";
import type { GptConfig } from "@tessera/gpt";
import type { FloatStorage } from "@tessera/kernels";
import type { LossScaleOptions } from "@tessera/optim";
import type { Flags } from "./flags.js";
import { lengthOf, type LengthConfig } from "./length.js";
import { modelOf } from "./model.js";
import { parallelOf, type ParallelConfig } from "./parallel.js";
import { recomputationOf, type Recomputation } from "./recomputation.js";

export interface RunConfig {
  readonly model: GptConfig;
  /** Tokens of a sample. */
  readonly sequenceLength: number;
  readonly parallel: ParallelConfig;
  readonly length: LengthConfig;
  readonly storage: FloatStorage;
  readonly lossScaling: LossScaleOptions | null;
  readonly recomputation: Recomputation;
}

/** For `ranks` ranks and a vocabulary of so many ids. */
export function resolve(flags: Flags, ranks: number, vocabulary: number): RunConfig {
  const model = modelOf(flags, vocabulary);
  const parallel = parallelOf(flags, model, ranks);
  const length = lengthOf(flags, parallel.degrees);
  refuseUneven(parallel, length);
  return {
    model,
    sequenceLength: flags["seq-length"]!,
    parallel,
    length,
    ...precisionOf(flags),
    recomputation: recomputationOf(flags),
  };
}

/** The interleaved schedule takes micro-batches in groups of as many as there are stages. */
function refuseUneven(
  { schedule, degrees }: ParallelConfig,
  { ramp, microBatch }: LengthConfig,
): void {
  if (schedule !== "interleaved") return;
  for (let size = ramp.start; size <= ramp.full; size += ramp.increment) {
    const micros = size / (microBatch * degrees.data);
    if (micros % degrees.pipeline === 0) continue;
    throw new UserError(
      `a global batch of ${size}: is ${micros} micro-batches, which the interleaved schedule takes in ` +
        `groups of ${degrees.pipeline}, one for each stage`,
    );
  }
}

function precisionOf(flags: Flags): Pick<RunConfig, "storage" | "lossScaling"> {
  if (flags.fp16 && flags.bf16) throw new UserError("--fp16 --bf16: choose one of them");
  const storage = flags.fp16 ? "fp16" : flags.bf16 ? "bf16" : "fp32";
  return { storage, lossScaling: flags.fp16 ? lossScalingOf(flags) : null };
}

function lossScalingOf(flags: Flags): LossScaleOptions {
  const { "initial-loss-scale": initial, "min-loss-scale": minimum, "loss-scale": fixed } = flags;
  if (fixed !== undefined) {
    return { initial: fixed, minimum: fixed, window: Infinity, hysteresis: Infinity };
  }
  if (initial < minimum) {
    throw new UserError(`--initial-loss-scale ${initial}: is below --min-loss-scale ${minimum}`);
  }
  return { initial, minimum, window: flags["loss-scale-window"], hysteresis: flags.hysteresis };
}
