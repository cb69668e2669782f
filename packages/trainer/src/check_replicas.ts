// Checks that data-parallel replicas hold the same weights.

import { UserError } from "@tessera/config";
import { findDivergence } from "@tessera/data-parallel";
import { disposeTree } from "@tessera/params";
import type { TrainingPlan } from "./plan.js";
import type { TrainingState } from "./state.js";

/**
 * No rank broadcasts its weights to make replicas equal: they are a function of the seed, or of the files that all
 * ranks read. So they are compared.
 * @throws UserError that names the first parameter on which ranks differ.
 */
export function checkReplicasAgree(
  { dataParallel }: TrainingPlan,
  { params, step }: TrainingState,
): void {
  if (dataParallel.group.size === 1) return;
  const full = dataParallel.gatherParams(params);
  const path = findDivergence(full, dataParallel.group);
  disposeTree(full);
  if (path === null) return;
  const cause =
    step === 0 ? "give all of them the same files" : "one of them computes wrongly, or has a fault";
  throw new UserError(`${path}: is not the same on all ranks at step ${step}; ${cause}`);
}
