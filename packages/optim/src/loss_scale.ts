// Dynamic loss scaling (Micikevicius et al., 2018), by the rule of Megatron and DeepSpeed. Gradients of
// fp16 activations may be too small for fp16, so the loss is multiplied by as much as they can bear:
// the scale is doubled after a while without overflow, and halved after overflows.

export interface LossScaleOptions {
  /** The first scale. */
  readonly initial: number;
  /** The scale never falls below it. */
  readonly minimum: number;
  /** Steps without overflow after which the scale is doubled. */
  readonly window: number;
  /** Overflows that are borne, between two doublings, before each further one halves the scale. */
  readonly hysteresis: number;
}

/** Where scaling stands: plain numbers, saved with a checkpoint. */
export interface LossScale {
  readonly scale: number;
  /** Steps since the last overflow or doubling. */
  readonly steadySteps: number;
  /** Overflows that are still borne before the scale is halved. */
  readonly patience: number;
  /** Steps left out because of overflow, in all. */
  readonly skippedSteps: number;
  /** Samples of those steps. */
  readonly skippedSamples: number;
}

/** What a step did. */
export interface ScaledStep {
  readonly samples: number;
  /** Whether its gradients overflowed, so that it was left out. */
  readonly overflowed: boolean;
}

const FACTOR = 2;

export const initialLossScale = ({ initial, hysteresis }: LossScaleOptions): LossScale => ({
  scale: initial,
  steadySteps: 0,
  patience: hysteresis,
  skippedSteps: 0,
  skippedSamples: 0,
});

/** The scale of the next step. */
export function nextLossScale(
  { minimum, window, hysteresis }: LossScaleOptions,
  now: LossScale,
  { samples, overflowed }: ScaledStep,
): LossScale {
  if (overflowed) {
    const patience = Math.max(0, now.patience - 1);
    const scale = patience === 0 ? Math.max(minimum, now.scale / FACTOR) : now.scale;
    const skipped = {
      skippedSteps: now.skippedSteps + 1,
      skippedSamples: now.skippedSamples + samples,
    };
    return { scale, steadySteps: 0, patience, ...skipped };
  }
  const steadySteps = now.steadySteps + 1;
  if (steadySteps < window) return { ...now, steadySteps };
  return { ...now, scale: now.scale * FACTOR, steadySteps: 0, patience: hysteresis };
}
