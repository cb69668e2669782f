// How long a run is and how its learning rate follows, in steps, samples or tokens, as the flags say.

import { countRampedSteps, UserError } from "@tessera/config";
import type { ScheduleConfig } from "@tessera/optim/schedules";
import type { Duration } from "@tessera/trainer";
import { rampOf } from "./batch.js";
import type { Flags } from "./flags.js";
import { needed } from "./model.js";

/** What the flags count in. */
type Unit = "steps" | "samples";

/**
 * `batch` is the samples of a full step.
 * @throws UserError where lengths contradict each other.
 */
export function scheduleOf(flags: Flags, batch: number): readonly [Duration, ScheduleConfig] {
  const { "train-iters": steps, "train-samples": samples } = flags;
  const given = [steps, samples].filter((each) => each !== undefined);
  if (given.length > 1 || (given.length === 0 && flags["train-tokens"] === undefined)) {
    throw new UserError("--train-iters, --train-samples: give one of them");
  }
  const unit = steps === undefined ? "samples" : "steps";
  refuseOtherUnit(flags, unit);
  return [durationOf(flags, batch), decayOf(flags, unit, batch)];
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
  if (flags["lr-warmup-tokens"] !== undefined && flags["lr-decay-tokens"] === undefined) {
    throw new UserError("--lr-warmup-tokens: goes with --lr-decay-tokens; add it");
  }
}

/** Whether all is counted in steps. Steps of a growing batch, and tokens, are counted as samples. */
const isInSteps = (flags: Flags): boolean =>
  flags["train-iters"] !== undefined &&
  rampOf(flags) === undefined &&
  flags["train-tokens"] === undefined &&
  flags["lr-decay-tokens"] === undefined;

function durationOf(flags: Flags, batch: number): Duration {
  const {
    "train-iters": steps,
    "train-samples": samples = Infinity,
    "train-tokens": tokens,
  } = flags;
  if (isInSteps(flags)) return { steps: steps! };
  const ofTokens = tokens === undefined ? Infinity : Math.ceil(tokensInSamples(flags, tokens));
  return { samples: Math.min(samples, ofTokens, stepsInSamples(flags, steps, batch)) };
}

const tokensInSamples = (flags: Flags, tokens: number): number =>
  tokens / needed(flags, "seq-length");

/** Samples of that many steps, of which the first may be smaller than `full`. */
function stepsInSamples(flags: Flags, steps: number | undefined, full: number): number {
  if (steps === undefined) return Infinity;
  const ramp = rampOf(flags);
  return ramp === undefined ? steps * full : countRampedSteps({ ...ramp, full }, { steps }).samples;
}

function decayOf(flags: Flags, counted: Unit, batch: number): ScheduleConfig {
  const unit = isInSteps(flags) ? "steps" : "samples";
  // Megatron takes a step for a full batch here, also where the first ones are smaller.
  const scale = counted === "steps" && unit === "samples" ? batch : 1;
  const isSteps = counted === "steps";
  const duration = durationOf(flags, batch);
  const planned =
    (isSteps ? flags["train-iters"] : flags["train-samples"]) ??
    ("samples" in duration ? duration.samples : duration.steps);
  const tokens = flags["lr-decay-tokens"];
  const decay =
    tokens === undefined
      ? scale * (flags[isSteps ? "lr-decay-iters" : "lr-decay-samples"] ?? planned)
      : tokensInSamples(flags, tokens);
  const warmup = warmupOf(
    flags,
    decay,
    scale * flags[isSteps ? "lr-warmup-iters" : "lr-warmup-samples"],
  );
  if (warmup >= decay) {
    throw new UserError(
      `the learning rate rises over ${warmup} ${unit}: must be below its decay's ${decay}`,
    );
  }
  const [peak, floor] = [needed(flags, "lr"), flags["min-lr"]];
  if (floor > peak) throw new UserError(`--min-lr ${floor}: is above --lr ${peak}`);
  const kind = flags["lr-decay-style"];
  const schedule: ScheduleConfig = { kind, peak, floor, warmup, total: decay };
  return kind === "WSD" ? withLastPhase(flags, schedule, { unit, counted, scale }) : schedule;
}

/** How what the flags count in becomes the schedule's unit. */
interface Counting {
  readonly unit: Unit;
  readonly counted: Unit;
  /** Of `unit` in one of `counted`. */
  readonly scale: number;
}

/** WSD's decay at the end, which must fit behind the rise. */
function withLastPhase(
  flags: Flags,
  schedule: ScheduleConfig,
  { unit, counted, scale }: Counting,
): ScheduleConfig {
  const { warmup, total } = schedule;
  const name = counted === "steps" ? "lr-wsd-decay-iters" : "lr-wsd-decay-samples";
  const decayLength = scale * needed(flags, name);
  if (warmup + decayLength <= total) {
    return { ...schedule, decayLength, decayCurve: flags["lr-wsd-decay-style"] };
  }
  throw new UserError(
    `the learning rate decays over the last ${decayLength} ${unit}: must fit behind its rise over ` +
      `${warmup} in its decay's ${total}`,
  );
}

function warmupOf(flags: Flags, decay: number, said: number): number {
  const { "lr-warmup-fraction": fraction, "lr-warmup-tokens": tokens } = flags;
  const ways = [fraction !== undefined, tokens !== undefined, said > 0].filter(Boolean).length;
  if (ways > 1) {
    throw new UserError(
      "--lr-warmup-fraction, --lr-warmup-tokens: say again how long the rate rises; keep one of the flags",
    );
  }
  if (tokens !== undefined) return tokensInSamples(flags, tokens);
  return fraction === undefined ? said : fraction * decay;
}

/** What is unusual about a schedule, as sentences for the user. */
export function describeSchedule(
  { warmup, peak, total }: ScheduleConfig,
  duration: Duration,
): string[] {
  const [end, unit] =
    "samples" in duration ? [duration.samples, "samples"] : [duration.steps, "steps"];
  if (warmup < end) return [];
  return [
    `the learning rate rises over ${warmup} ${unit} and the run ends after ${end}: it never decays` +
      (warmup > end ? `, nor reaches --lr ${peak}` : "") +
      `; shorten the warm-up, or lengthen the run to ${total}`,
  ];
}
