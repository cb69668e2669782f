// Lets ranks agree to stop after the same step, without blocking on a reduction in each step.

import type { Work } from "@tessera/collectives";
import type { ParallelAxis } from "./axis.js";

/** A flag that one rank raises and all ranks see. */
export interface StopSignal {
  /**
   * Called by all ranks after every step. `here` is whether this rank has been asked to stop. Returns true on all ranks
   * after the same step.
   */
  poll(here: boolean): boolean;
  /** Waits for the reduction in flight, so that groups can close. */
  finish(): void;
}

/** Reduces the flag along one axis per step, and waits for each reduction one step later. */
export function createStopSignal(axes: readonly ParallelAxis[]): StopSignal {
  const groups = axes.map(({ group }) => group).filter(({ size }) => size > 1);
  let pending: Work<Float32Array> | null = null;
  let axis = 0;
  return {
    poll(here) {
      if (groups.length === 0) return here;
      const answer = pending?.wait()[0] ?? 0;
      pending = null;
      if (axis === groups.length) {
        if (answer > 0) return true;
        axis = 0;
      }
      // A flag that is raised after the reduction along the first axis waits for the next round.
      const flag = axis === 0 ? Number(here) : answer;
      pending = groups[axis]!.allReduceValues(Float32Array.of(flag), "max");
      axis += 1;
      return false;
    },
    finish() {
      pending?.wait();
      pending = null;
    },
  };
}
