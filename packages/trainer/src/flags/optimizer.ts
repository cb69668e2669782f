import { number } from "@tessera/config";

const decay = { min: 0, below: 1 } as const;

/** Hyperparameters of which dialects have defaults of their own. */
export interface OptimizerDefaults {
  readonly beta2: number;
  readonly weightDecay: number;
}

/** Hyperparameters of Adam, weight decay and clipping. */
export const optimizerFlags = ({ beta2, weightDecay }: OptimizerDefaults) => ({
  beta1: number("decay of Adam's mean", decay, 0.9),
  beta2: number("decay of Adam's square", decay, beta2),
  epsilon: number("Adam's guard against division by 0", { above: 0 }, 1e-8),
  weightDecay: number("pull of matrices to zero", { min: 0 }, weightDecay),
  clipNorm: number("limit of the gradients' norm; 0 for none", { min: 0 }, 1),
});
