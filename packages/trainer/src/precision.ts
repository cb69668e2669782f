// How activations are stored and losses scaled.

import { getBackend } from "@tensorflow/tfjs-core";
import { UserError } from "@tessera/config";
import { supportsStorage, type Bf16Products, type FloatStorage } from "@tessera/kernels/memory";
import type { LossScaleOptions } from "@tessera/optim";
import type { PrecisionConfig } from "./run/run_config.js";

/** The values of `precisionFlags`. */
export interface PrecisionFlags {
  readonly bf16: boolean;
  /** `auto` leaves the choice to the run. */
  readonly bf16Products: Bf16Products | "auto";
  readonly fp16: boolean;
  readonly initialLossScale: number;
  readonly minLossScale: number;
  readonly lossScaleWindow: number;
  readonly hysteresis: number;
  /** A loss scale that stays; 0 for a dynamic one. Default: 0. */
  readonly fixedLossScale?: number;
}

const NEVER = Number.MAX_SAFE_INTEGER;

const lossScaling = (flags: PrecisionFlags): LossScaleOptions =>
  flags.fixedLossScale
    ? { initial: flags.fixedLossScale, minimum: 0, window: NEVER, hysteresis: NEVER }
    : {
        initial: flags.initialLossScale,
        minimum: flags.minLossScale,
        window: flags.lossScaleWindow,
        hysteresis: flags.hysteresis,
      };

/**
 * The precision that `--bf16`, `--fp16` and the flags of the loss scale ask for.
 * @throws UserError where the flags contradict each other.
 */
export function resolvePrecision(flags: PrecisionFlags): PrecisionConfig {
  const { bf16, fp16, bf16Products: products } = flags;
  if (bf16 && fp16) throw new UserError("--bf16 --fp16: choose one of them");
  if (bf16) return { storage: "bf16", ...(products !== "auto" && { products }) };
  if (products !== "auto") {
    throw new UserError(`products of bf16 in ${products}: there are none without --bf16`);
  }
  if (!fp16) return { storage: "fp32" };
  const scaling = lossScaling(flags);
  const { initial, minimum } = scaling;
  if (initial < minimum) {
    throw new UserError(`the first loss scale, ${initial}: is below the smallest, ${minimum}`);
  }
  return { storage: "fp16", lossScaling: scaling };
}

/**
 * Refuses a storage of activations that the current backend has not.
 * @throws UserError where the current backend cannot store activations so.
 */
export function checkStorage(storage: FloatStorage): void {
  if (supportsStorage(storage)) return;
  throw new UserError(
    `--${storage}: needs --backend native or tensorflow, this run is on ${getBackend()}`,
  );
}
