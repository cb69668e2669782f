// Learning rates as functions of how far training is, in steps or in samples.

export type DecayKind = "constant" | "linear" | "cosine" | "inverse-square-root";

export interface Schedule {
  readonly kind: DecayKind;
  /** The highest rate, reached at the end of warm-up. */
  readonly peak: number;
  /** Where decay ends. */
  readonly floor: number;
  /** Over which the rate rises evenly from 0; the first step has 1 / warmup of the peak. */
  readonly warmup: number;
  /** Where decay ends; later steps stay at the floor. */
  readonly total: number;
}

/** The rate of `step`, counted from 1; or where samples are counted, of the step that ends there. */
export function learningRate({ kind, peak, floor, warmup, total }: Schedule, step: number): number {
  if (step <= warmup) return (peak * step) / warmup;
  if (kind === "constant") return peak;
  if (step > total) return floor;
  if (kind === "inverse-square-root") {
    return Math.max(floor, peak * Math.sqrt(Math.max(warmup, 1) / step));
  }
  const progress = Math.min(1, (step - warmup) / Math.max(1, total - warmup));
  const remaining = kind === "linear" ? 1 - progress : (1 + Math.cos(Math.PI * progress)) / 2;
  return floor + (peak - floor) * remaining;
}
