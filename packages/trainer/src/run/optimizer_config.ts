// Optimizers by name, as configurations and flags give them.

import type { ParamSpec, TreeOf } from "@tessera/layers";
import {
  adam,
  decayOf,
  sgd,
  type AdamOptions,
  type Decays,
  type Optimizer,
  type SgdOptions,
} from "@tessera/optim";

/** `adamw` decays weights apart from the gradient (Loshchilov and Hutter, 2019); `adam` adds the decay to it. */
export type OptimizerConfig =
  | ({ readonly kind: "adamw" | "adam" } & Partial<Omit<AdamOptions, "decoupled">>)
  | ({ readonly kind: "sgd" } & Partial<SgdOptions>);

const ADAM = { beta1: 0.9, beta2: 0.95, epsilon: 1e-8, weightDecay: 0.1 };
const SGD = { momentum: 0.9, weightDecay: 0 };

export function createOptimizer(config: OptimizerConfig, spec: TreeOf<ParamSpec>): Optimizer {
  const decays: Decays = decayOf(spec);
  if (config.kind === "sgd") return sgd({ ...SGD, ...config }, decays);
  return adam({ ...ADAM, ...config, decoupled: config.kind === "adamw" }, decays);
}
