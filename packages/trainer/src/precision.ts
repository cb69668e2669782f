// How activations are stored and losses scaled.

import { getBackend } from "@tensorflow/tfjs-core";
import { UserError } from "@tessera/config";
import { supportsStorage, type FloatStorage } from "@tessera/kernels";
import type { LossScaleOptions } from "@tessera/optim";
import type { PrecisionConfig } from "./run/run_config.js";

export interface PrecisionFlags {
  readonly bf16: boolean;
  readonly fp16: boolean;
  /** For fp16. */
  readonly scaling: LossScaleOptions;
}

/** @throws UserError where the flags contradict each other. */
export function resolvePrecision({ bf16, fp16, scaling }: PrecisionFlags): PrecisionConfig {
  if (bf16 && fp16) throw new UserError("--bf16 --fp16: choose one of them");
  if (!fp16) return { storage: bf16 ? "bf16" : "fp32" };
  const { initial, minimum } = scaling;
  if (initial < minimum) {
    throw new UserError(`the first loss scale, ${initial}: is below the smallest, ${minimum}`);
  }
  return { storage: "fp16", lossScaling: scaling };
}

/** @throws UserError where the current backend cannot store activations so. */
export function checkStorage(storage: FloatStorage): void {
  if (supportsStorage(storage)) return;
  throw new UserError(`--${storage}: needs --backend native, this run is on ${getBackend()}`);
}
