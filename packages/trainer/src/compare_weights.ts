// Whether the ranks that must hold the same weights do.

import { UserError } from "@tessera/config";
import { disagreement } from "@tessera/data-parallel";
import { disposeTree } from "@tessera/layers";
import type { TrainingPlan } from "./plan.js";
import type { TrainingState } from "./step.js";

/**
 * Throws a UserError that names the first parameter on which ranks differ. No rank ever sends its weights
 * to make them equal: they are a function of the seed, or of the files that all ranks read.
 */
export function compareWeights({ sharing }: TrainingPlan, { params, step }: TrainingState): void {
  if (sharing.group.size === 1) return;
  const whole = sharing.whole(params);
  const path = disagreement(whole, sharing.group);
  disposeTree(whole);
  if (path === null) return;
  const cause =
    step === 0 ? "give all of them the same files" : "one of them computes wrongly, or has a fault";
  throw new UserError(`${path}: is not the same on all ranks at step ${step}; ${cause}`);
}
