// Reductions that overlap with backward. Their inputs stay in memory until the result is taken, so each result is
// taken as soon as it is ready.

import type { Work } from "@tessera/collectives";
import { accumulate, call } from "@tessera/kernels";
import { claim } from "@tessera/params/placement";
import type { Reduced } from "./data_parallel.js";

/** Pending reductions at most; beyond that, `add` waits for the oldest. */
const MAX_PENDING = 16;

/** Reductions in flight, and the sums of those that are done. */
export interface PendingReductions {
  /** Adds the result of `work`, once it is ready, to the sum called `name`. */
  readonly add: (name: string, work: Work<Reduced>) => void;
  /** Waits for all pending reductions. */
  readonly wait: () => void;
  /** Waits, then returns the sums by name. The caller owns them. */
  readonly take: () => ReadonlyMap<string, Reduced>;
}

/** Accumulates results in the order in which their reductions were started. */
export function createPendingReductions(): PendingReductions {
  const sums = new Map<string, Reduced>();
  const queue: (readonly [string, Work<Reduced>])[] = [];
  const drain = (isDue: (oldest: Work<Reduced>) => boolean): void => {
    while (queue.length > 0 && isDue(queue[0]![1])) {
      const [name, work] = queue.shift()!;
      const gradient = work.wait();
      const sum = sums.get(name);
      sums.set(name, sum ? claim(call(accumulate, { sum, gradient }, {}).total) : gradient);
    }
  };
  const wait = (): void => drain(() => true);
  return {
    add(name, work) {
      queue.push([name, work]);
      drain((oldest) => oldest.done || queue.length > MAX_PENDING);
    },
    wait,
    take() {
      wait();
      return sums;
    },
  };
}
