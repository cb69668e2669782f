// Learning rates as functions of the step.

export type DecayKind = "constant" | "linear" | "cosine";

export interface Schedule {
  readonly kind: DecayKind;
  /** The highest rate, reached at the end of warm-up. */
  readonly peak: number;
  /** Where decay ends. */
  readonly floor: number;
  /** Steps over which the rate rises evenly from 0; the first step has 1 / warmup of the peak. */
  readonly warmup: number;
  /** The last step of decay; later steps stay at the floor. */
  readonly total: number;
}

/** The rate of `step`, counted from 1. */
export function learningRate({ kind, peak, floor, warmup, total }: Schedule, step: number): number {
  if (step <= warmup) return (peak * step) / warmup;
  if (kind === "constant") return peak;
  const progress = Math.min(1, (step - warmup) / Math.max(1, total - warmup));
  const remaining = kind === "linear" ? 1 - progress : (1 + Math.cos(Math.PI * progress)) / 2;
  return floor + (peak - floor) * remaining;
}
