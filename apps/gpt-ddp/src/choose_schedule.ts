// The learning-rate schedule that flags name.

import { UserError } from "@tessera/config";
import type { ScheduleConfig } from "@tessera/optim/schedules";
import type { Flags } from "./flags.js";
import { countAsDeepSpeed, isDeepSpeedType } from "./deepspeed_schedules.js";
import { DECAY_STYLES, SCHEDULER_ARGUMENTS } from "./scheduler_types.js";

/** Where flags say nothing of warm-up. A short run is all warm-up then. */
const USUAL_WARMUP = 100;
/** Where transformers' polynomial ends if nobody says. */
const POLYNOMIAL_END = 1e-7;

/** @throws UserError for arguments that the schedule does not take. */
export function chooseSchedule(flags: Flags): ScheduleConfig {
  const { lr_scheduler_type: type, max_steps: total, learning_rate: peak } = flags;
  const floor =
    flags.min_learning_rate ?? (type === "polynomial" ? Math.min(POLYNOMIAL_END, peak) : 0);
  const plain: ScheduleConfig = {
    kind: DECAY_STYLES[type],
    peak,
    floor: Math.min(floor, peak),
    warmup: chooseWarmup(flags),
    total,
  };
  checkNeeds(flags, plain);
  const schedule = isDeepSpeedType(type) ? countAsDeepSpeed(type, plain) : plain;
  const given = Object.entries(readArguments(flags.lr_scheduler_kwargs));
  const changes = given.map(([name, value]) => readArgument(flags, schedule, name, value));
  const chosen = changes.reduce<ScheduleConfig>((all, one) => ({ ...all, ...one }), schedule);
  if (flags.min_learning_rate !== undefined && chosen.floor !== schedule.floor) {
    throw new UserError(
      `--min_learning_rate ${flags.min_learning_rate}, --lr_scheduler_kwargs ${flags.lr_scheduler_kwargs}: ` +
        "name different ends of the decay; drop one of them",
    );
  }
  return type === "warmup_stable_decay" ? { decayCurve: "cosine", ...chosen } : chosen;
}

/** What a run should know of its warm-up before it begins. */
export const describeWarmup = ({ warmup, total, peak }: ScheduleConfig): readonly string[] =>
  warmup <= total
    ? []
    : [`warm-up takes ${warmup} steps, the run ${total}: the learning rate does not reach ${peak}`];

function chooseWarmup({ warmup_steps: steps, warmup_ratio: ratio, max_steps: total }: Flags) {
  if (steps !== undefined && ratio !== undefined && steps > 0) {
    throw new UserError(
      `--warmup_steps ${steps}, --warmup_ratio ${ratio}: say one of them, the other follows`,
    );
  }
  if (ratio !== undefined) return Math.ceil(ratio * total);
  if (steps === undefined) return Math.min(USUAL_WARMUP, total);
  if (steps > 1 && !Number.isInteger(steps)) {
    throw new UserError(`--warmup_steps ${steps}: must be a whole number, or a part below 1`);
  }
  // As Trainer does: below 1 it is a part of the run.
  return steps < 1 ? Math.ceil(steps * total) : steps;
}

type Arguments = Readonly<Record<string, unknown>>;

function checkNeeds(flags: Flags, { warmup, total }: ScheduleConfig): void {
  const { lr_scheduler_type: type } = flags;
  const given = readArguments(flags.lr_scheduler_kwargs);
  const has = (...names: string[]) => names.some((name) => Object.hasOwn(given, name));
  if (type === "warmup_stable_decay" && !has("num_decay_steps")) {
    throw new UserError(
      `--lr_scheduler_type ${type}: needs --lr_scheduler_kwargs {"num_decay_steps": N}, ` +
        `a whole number from 1 to --max_steps ${total}`,
    );
  }
  const isFloorSaid = flags.min_learning_rate !== undefined || has("min_lr", "min_lr_rate");
  if (type === "cosine_with_min_lr" && !isFloorSaid) {
    throw new UserError(
      `--lr_scheduler_type ${type}: needs --lr_scheduler_kwargs {"min_lr": X} or {"min_lr_rate": X}`,
    );
  }
  if (isDeepSpeedType(type) && flags.min_learning_rate !== undefined) {
    throw new UserError(
      `--min_learning_rate ${flags.min_learning_rate}: ${type} takes its least rates from --lr_scheduler_kwargs`,
    );
  }
  if (type === "inverse_sqrt" && warmup === 0) {
    throw new UserError(`--lr_scheduler_type ${type}: needs a warm-up, which is its time scale`);
  }
}

function readArgument(flags: Flags, schedule: ScheduleConfig, name: string, value: unknown) {
  const { lr_scheduler_type: type } = flags;
  const known = SCHEDULER_ARGUMENTS[type];
  if (!Object.hasOwn(known, name)) {
    throw new UserError(`--lr_scheduler_kwargs: ${type} has no argument ${name} here; drop it`);
  }
  try {
    return known[name]!(value, schedule);
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    throw new UserError(
      `--lr_scheduler_kwargs: ${name} is ${JSON.stringify(value)}, ${error.message}`,
    );
  }
}

function readArguments(text: string | undefined): Arguments {
  if (text === undefined) return {};
  const refuse = (): never => {
    throw new UserError(`--lr_scheduler_kwargs ${text}: must be a JSON object`);
  };
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    return refuse();
  }
  return typeof json === "object" && json !== null && !Array.isArray(json) ? { ...json } : refuse();
}
