// The learning-rate schedule that flags name.

import { UserError } from "@tessera/config";
import type { ScheduleConfig, WsdDecayStyle } from "@tessera/optim/schedules";
import type { Flags } from "./flags.js";
import { DECAY_STYLES } from "./scheduler_types.js";

/** Values of decay_type of transformers' get_wsd_schedule. */
const CURVES = new Map<unknown, WsdDecayStyle>([
  [undefined, "cosine"],
  ["cosine", "cosine"],
  ["linear", "linear"],
  ["1-sqrt", "minus_sqrt"],
]);

/** @throws UserError for arguments that the schedule does not take. */
export function chooseSchedule(flags: Flags): ScheduleConfig {
  const { lr_scheduler_type: type, max_steps: total, learning_rate: peak } = flags;
  const schedule: ScheduleConfig = {
    kind: DECAY_STYLES[type],
    peak,
    floor: Math.min(flags.min_learning_rate, peak),
    warmup: Math.min(flags.warmup_steps, total),
    total,
  };
  const given = readArguments(flags.lr_scheduler_kwargs);
  const isWsd = type === "warmup_stable_decay";
  const unknown = Object.keys(given).find(
    (name) => !isWsd || !["num_decay_steps", "decay_type"].includes(name),
  );
  if (unknown !== undefined) {
    throw new UserError(`--lr_scheduler_kwargs: ${type} has no argument ${unknown}; drop it`);
  }
  return isWsd ? { ...schedule, ...chooseLastPhase(given, total) } : schedule;
}

type Arguments = Readonly<Record<string, unknown>>;

function chooseLastPhase({ num_decay_steps: steps, decay_type: type }: Arguments, total: number) {
  if (typeof steps !== "number" || !Number.isInteger(steps) || steps < 1 || steps > total) {
    throw new UserError(
      '--lr_scheduler_type warmup_stable_decay: needs --lr_scheduler_kwargs {"num_decay_steps": N}, ' +
        `a whole number from 1 to --max_steps ${total}`,
    );
  }
  const decayCurve = CURVES.get(type);
  if (decayCurve !== undefined) return { decayLength: steps, decayCurve };
  throw new UserError(
    `--lr_scheduler_kwargs: decay_type is ${JSON.stringify(type)}, must be cosine, linear or 1-sqrt`,
  );
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
