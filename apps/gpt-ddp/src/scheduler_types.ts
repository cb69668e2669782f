// Learning-rate schedules by Hugging Face's names.

import type { DecayStyle } from "@tessera/optim/schedules";

/** Values of --lr_scheduler_type, each after a linear warm-up. */
export const DECAY_STYLES = {
  constant: "constant",
  constant_with_warmup: "constant",
  linear: "linear",
  cosine: "cosine",
  inverse_sqrt: "inverse-square-root",
  warmup_stable_decay: "WSD",
} as const satisfies Record<string, DecayStyle>;

type SchedulerType = keyof typeof DECAY_STYLES;

export const schedulerTypes = Object.keys(DECAY_STYLES) as SchedulerType[];
