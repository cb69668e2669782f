// Learning-rate schedules: functions of progress, and phases that compose to them.

/**
 * The learning rate of the step that is taken when `progress` steps are done, as in Megatron-LM and PyTorch:
 * the first step trains with the rate at 0. Where a run counts samples, progress is samples.
 */
export type LearningRateSchedule = (progress: number) => number;

/** A stretch of training with a rate of its own. */
export interface Phase {
  /** Steps (or samples) that it takes; Infinity for one without an end. */
  readonly length: number;
  /** By progress since the phase began. */
  readonly rate: LearningRateSchedule;
}

/**
 * One phase after another, as PyTorch's SequentialLR or optax's join_schedules. Where two phases meet, the
 * earlier one gives the rate; behind the last one its rate at its end stays.
 */
export function sequence(phases: readonly Phase[]): LearningRateSchedule {
  const used = phases.filter(({ length }) => length > 0);
  return (progress) => {
    let start = 0;
    for (const { length, rate } of used) {
      if (progress <= start + length) return rate(progress - start);
      start += length;
    }
    const last = phases.at(-1);
    return last === undefined ? 0 : last.rate(last.length);
  };
}

/** How a rate rises: evenly, or by the logarithm of the steps, fast at first, as in DeepSpeed. */
export type WarmupCurve = "linear" | "log";

/** A rise to `peak`, which it reaches after `length`. */
export function warmup(
  peak: number,
  length: number,
  { from = 0, curve = "linear" }: { readonly from?: number; readonly curve?: WarmupCurve } = {},
): Phase {
  const part = (progress: number): number =>
    curve === "linear" ? progress / length : Math.log(progress + 1) / Math.log(length + 1);
  return { length, rate: (progress) => from + (peak - from) * part(progress) };
}

/** One rate. Default length: without end. */
export const constant = (rate: number, length = Infinity): Phase => ({ length, rate: () => rate });
