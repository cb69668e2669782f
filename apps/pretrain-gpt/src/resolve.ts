// From flags to one resolved description of a run: every number has one source, and whatever does not fit
// together is refused here, before memory is taken or a rank waits for another.

import { UserError } from "@tessera/config";
import type { GptConfig } from "@tessera/gpt";
import type { Recomputation } from "@tessera/model";
import type { LossScaleOptions } from "@tessera/optim";
import { resolvePrecision, type Precision, type ResolvedParallel } from "@tessera/trainer";
import type { Flags } from "./flags.js";
import { lengthOf, sizesOf, type LengthConfig } from "./length.js";
import { modelOf } from "./model.js";
import { parallelOf } from "./parallel.js";
import { recomputationOf } from "./recomputation.js";

export interface RunConfig extends Precision {
  readonly model: GptConfig;
  /** Tokens of a sample. */
  readonly sequenceLength: number;
  readonly parallel: ResolvedParallel;
  readonly length: LengthConfig;
  readonly recompute: Recomputation | undefined;
}

/** For `ranks` ranks and a vocabulary of so many ids. */
export function resolve(flags: Flags, ranks: number, vocabulary: number): RunConfig {
  const model = modelOf(flags, vocabulary);
  const parallel = parallelOf(flags, model, ranks);
  const length = lengthOf(flags, parallel.data);
  refuseUneven(parallel, length);
  return {
    model,
    sequenceLength: flags["seq-length"]!,
    parallel,
    length,
    recompute: recomputationOf(flags),
    ...resolvePrecision({ bf16: flags.bf16, fp16: flags.fp16, scaling: lossScalingOf(flags) }),
  };
}

/** The interleaved schedule takes micro-batches in groups of as many as there are stages. */
function refuseUneven(
  { schedule, data, pipeline }: ResolvedParallel,
  { ramp, microBatch }: LengthConfig,
): void {
  if (schedule !== "interleaved") return;
  for (const size of sizesOf(ramp)) {
    const microbatches = size / (microBatch * data);
    if (microbatches % pipeline === 0) continue;
    throw new UserError(
      `a global batch of ${size}: is ${microbatches} micro-batches, which the interleaved schedule takes in ` +
        `groups of ${pipeline}, one for each stage`,
    );
  }
}

function lossScalingOf(flags: Flags): LossScaleOptions {
  const { "initial-loss-scale": initial, "min-loss-scale": minimum, "loss-scale": fixed } = flags;
  return fixed === 0
    ? { initial, minimum, window: flags["loss-scale-window"], hysteresis: flags.hysteresis }
    : { initial: fixed, minimum: 0, window: NEVER, hysteresis: NEVER };
}

const NEVER = Number.MAX_SAFE_INTEGER;
