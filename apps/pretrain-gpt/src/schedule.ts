// How long a run is and how its learning rate follows, in steps or in samples, as the flags say.

import { UserError } from "@tessera/config";
import type { ScheduleConfig } from "@tessera/optim/schedules";
import type { Duration } from "@tessera/trainer";
import type { Flags } from "./flags.js";
import { needed } from "./model.js";

type Unit = "steps" | "samples";

/** @throws UserError where lengths contradict each other. */
export function scheduleOf(flags: Flags): readonly [Duration, ScheduleConfig] {
  const { "train-iters": steps, "train-samples": samples } = flags;
  if ((steps === undefined) === (samples === undefined)) {
    throw new UserError("--train-iters, --train-samples: give one of them");
  }
  const unit = samples === undefined ? "steps" : "samples";
  refuseOtherUnit(flags, unit);
  const total = samples ?? steps!;
  const duration = samples === undefined ? { steps: total } : { samples: total };
  return [duration, decayOf(flags, unit, total)];
}

/** Flags that count in steps do not go with a run that is counted in samples. */
function refuseOtherUnit(flags: Flags, unit: Unit): void {
  const names =
    unit === "steps"
      ? (["lr-decay-samples", "lr-wsd-decay-samples", "lr-warmup-samples"] as const)
      : (["lr-decay-iters", "lr-wsd-decay-iters", "lr-warmup-iters"] as const);
  const wrong = names.find((name) => flags[name] !== undefined && flags[name] !== 0);
  if (wrong !== undefined) {
    throw new UserError(`--${wrong}: the run is counted in ${unit}; give that in ${unit} too`);
  }
  if (unit === "steps" && flags["rampup-batch-size"].length > 0) {
    throw new UserError(
      "--rampup-batch-size: goes with --train-samples, as steps then differ in size",
    );
  }
}

function decayOf(flags: Flags, unit: Unit, total: number): ScheduleConfig {
  const isSteps = unit === "steps";
  const decay = flags[isSteps ? "lr-decay-iters" : "lr-decay-samples"] ?? total;
  const said = flags[isSteps ? "lr-warmup-iters" : "lr-warmup-samples"];
  const fraction = flags["lr-warmup-fraction"];
  if (fraction !== undefined && said > 0) {
    throw new UserError(
      "--lr-warmup-fraction: says again how long the rate rises; drop one of the flags",
    );
  }
  const warmup = fraction === undefined ? said : fraction * decay;
  if (warmup >= decay) {
    throw new UserError(
      `the learning rate rises over ${warmup} ${unit}: must be below its decay's ${decay}`,
    );
  }
  const [peak, floor] = [needed(flags, "lr"), flags["min-lr"]];
  if (floor > peak) throw new UserError(`--min-lr ${floor}: is above --lr ${peak}`);
  const kind = flags["lr-decay-style"];
  const schedule: ScheduleConfig = { kind, peak, floor, warmup, total: decay };
  if (kind !== "WSD") return schedule;
  const decayLength = needed(flags, isSteps ? "lr-wsd-decay-iters" : "lr-wsd-decay-samples");
  if (warmup + decayLength > decay) {
    throw new UserError(
      `the learning rate decays over the last ${decayLength} ${unit}: must fit behind its rise over ` +
        `${warmup} in its decay's ${decay}`,
    );
  }
  return { ...schedule, decayLength, decayCurve: flags["lr-wsd-decay-style"] };
}
