// Saves states that are worth it, and lets older ones go once training went on well from the newest.

import type { Tree } from "@tessera/params";
import type { Saver } from "./checkpoints.js";
import { checkState } from "./check_state.js";
import type { TrainingPlan } from "./plan.js";
import type { TrainingState } from "./state.js";
import type { Tally } from "./tally.js";

/** A saver behind checks. Called by all ranks, alike. */
export interface GuardedSaver {
  /** Whether a saved state has not been gone on from. */
  readonly isOpen: boolean;
  /**
   * Saves `state`, unless it is saved already.
   * @throws RunError where it is not worth saving.
   */
  save(state: TrainingState): Promise<void>;
  /** Training went on well from the state that was saved last, or ends with it. */
  retain(): void;
}

export function guardSaver<P extends Tree>(
  plan: TrainingPlan<P>,
  saver: Saver,
  tally: Tally,
): GuardedSaver {
  let savedStep = -1;
  let isOpen = false;
  return {
    get isOpen() {
      return isOpen;
    },
    async save(state) {
      if (state.step === savedStep) return;
      tally.read();
      checkState(plan, state as TrainingState<P>, tally.firstLoss);
      await saver.save(state);
      savedStep = state.step;
      isOpen = true;
    },
    retain() {
      if (isOpen) saver.retain();
      isOpen = false;
    },
  };
}
