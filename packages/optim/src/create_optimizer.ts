// Optimizers by name, as configurations and flags give them.

import type { ParamSpec, TreeOf } from "@tessera/params";
import { adam, type AdamOptions } from "./adam.js";
import { decayOf, type Decays, type Optimizer } from "./optimizer.js";
import { sgd, type SgdOptions } from "./sgd.js";

/** Default: beta1 0.9, beta2 0.95, epsilon 1e-8, weightDecay 0.1. */
type AdamConfig = Partial<Omit<AdamOptions, "decoupled">>;
const ADAM = { beta1: 0.9, beta2: 0.95, epsilon: 1e-8, weightDecay: 0.1 };

/** Default: momentum 0.9, weightDecay 0. */
type SgdConfig = Partial<SgdOptions>;
const SGD = { momentum: 0.9, weightDecay: 0 };

const OPTIMIZERS = {
  adamw: (config: AdamConfig, decays: Decays) =>
    adam({ ...ADAM, ...config, decoupled: true }, decays),
  adam: (config: AdamConfig, decays: Decays) =>
    adam({ ...ADAM, ...config, decoupled: false }, decays),
  sgd: (config: SgdConfig, decays: Decays) => sgd({ ...SGD, ...config }, decays),
} as const;

/** Names of optimizers. */
export type OptimizerKind = keyof typeof OPTIMIZERS;

/** All of them, as flags offer them. */
export const optimizerKinds = Object.keys(OPTIMIZERS) as OptimizerKind[];

/** An optimizer as data: its kind, and those of its hyperparameters that are not the defaults. */
export type OptimizerConfig = {
  [K in OptimizerKind]: { readonly kind: K } & Parameters<(typeof OPTIMIZERS)[K]>[0];
}[OptimizerKind];

/** The optimizer that `config` names. Weight decay acts on those parameters that `spec` says. */
export function createOptimizer(
  { kind, ...options }: OptimizerConfig,
  spec: TreeOf<ParamSpec>,
): Optimizer {
  const create: (options: object, decays: Decays) => Optimizer = OPTIMIZERS[kind];
  return create(options, decayOf(spec));
}
