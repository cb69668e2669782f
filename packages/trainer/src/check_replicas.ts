// Whether the ranks that must hold the same weights do.

import { UserError } from "@tessera/config";
import { findDivergence } from "@tessera/data-parallel";
import { disposeTree } from "@tessera/layers";
import type { TrainingPlan } from "./plan.js";
import type { TrainingState } from "./state.js";

/**
 * Throws a UserError that names the first parameter on which ranks differ. No rank ever sends its weights
 * to make them equal: they are a function of the seed, or of the files that all ranks read.
 */
export function checkReplicasAgree(
  { dataParallel }: TrainingPlan,
  { params, step }: TrainingState,
): void {
  if (dataParallel.group.size === 1) return;
  const whole = dataParallel.gatherParams(params);
  const path = findDivergence(whole, dataParallel.group);
  disposeTree(whole);
  if (path === null) return;
  const cause =
    step === 0 ? "give all of them the same files" : "one of them computes wrongly, or has a fault";
  throw new UserError(`${path}: is not the same on all ranks at step ${step}; ${cause}`);
}
