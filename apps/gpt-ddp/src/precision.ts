// How activations are stored and losses scaled, as the flags say.

import { UserError } from "@tessera/config";
import type { FloatStorage } from "@tessera/kernels";
import type { LossScaleOptions } from "@tessera/optim";
import type { BackendName } from "./backend.js";
import type { Flags } from "./flags.js";

export interface Precision {
  readonly storage: FloatStorage;
  readonly lossScaling: LossScaleOptions | null;
}

/** Throws a UserError where the flags contradict each other, or `backend` has no 16-bit storage. */
export function choosePrecision(flags: Flags, backend: BackendName): Precision {
  if (flags.bf16 && flags.fp16) throw new UserError("--bf16 --fp16: choose one of them");
  if (!flags.bf16 && !flags.fp16) return { storage: "fp32", lossScaling: null };
  const storage = flags.bf16 ? "bf16" : "fp16";
  if (backend !== "native") {
    throw new UserError(`--${storage}: needs --backend native, this run is on ${backend}`);
  }
  return { storage, lossScaling: flags.fp16 ? scalingOf(flags) : null };
}

function scalingOf(flags: Flags): LossScaleOptions {
  const { initial_loss_scale: initial, min_loss_scale: minimum } = flags;
  if (initial < minimum) {
    throw new UserError(`--initial_loss_scale ${initial}: is below --min_loss_scale ${minimum}`);
  }
  return { initial, minimum, window: flags.loss_scale_window, hysteresis: flags.hysteresis };
}
