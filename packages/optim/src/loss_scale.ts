// Dynamic loss scaling (Micikevicius et al., 2018), by the rule of Megatron-LM and DeepSpeed. Gradients of fp16
// activations underflow in fp16, so the loss is multiplied by the largest scale that does not overflow: it is doubled
// after a window without overflow, and halved after overflows.

/** Rules of dynamic loss scaling. */
export interface LossScaleOptions {
  /** The first scale. */
  readonly initial: number;
  /** The smallest scale. */
  readonly minimum: number;
  /** Steps without overflow after which the scale is doubled. */
  readonly window: number;
  /** Overflows since the scale was last doubled, from which on each one halves it. */
  readonly hysteresis: number;
}

/** State of dynamic loss scaling, which checkpoints have. */
export interface LossScale {
  readonly scale: number;
  /** Steps since the last overflow or doubling. */
  readonly steadySteps: number;
  /** What is left of the hysteresis: at 0 an overflow halves the scale. Checkpoints have it under this name. */
  readonly patience: number;
  /** Steps that were skipped because of overflow. */
  readonly skippedSteps: number;
  /** Samples of the skipped steps. */
  readonly skippedSamples: number;
}

/** A step that was taken at a scale. */
export interface ScaledStep {
  readonly samples: number;
  /** Whether its gradients overflowed, so that it changed nothing. */
  readonly overflowed: boolean;
}

const FACTOR = 2;

/** The state before the first step. */
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
