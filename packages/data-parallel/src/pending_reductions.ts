// Reductions that overlap with backward. Their inputs stay in memory until the result is taken, so each result is
// taken as soon as it is ready.

import type { ProcessGroup, Work } from "@tessera/collectives";
import { accumulate, call } from "@tessera/kernels";
import { conversions } from "@tessera/parallel";
import { claim, type Placed, type Sharded } from "@tessera/params/placement";
import type { Reduced } from "./data_parallel.js";

/** Pending reductions at most; beyond that, `add` waits for the oldest. */
const MAX_PENDING = 16;

/** Starts a reduction of terms that continue `sum`, which it consumes; null where there is none yet. */
export type Continue = (sum: Reduced | null) => Work<Reduced>;

/** Reduce-scatters `flat` over `group` when it is started, and consumes it then. */
export const continueScatter =
  (flat: Placed<"partial", "data">, group: ProcessGroup): Continue =>
  (sum) => {
    const convert = conversions<"data">(group);
    const work =
      sum === null
        ? convert.reduceScatter<"elements">(flat, 0)
        : convert.reduceScatterOnto(claim<Sharded<"elements">, "data">(sum), flat);
    flat.dispose();
    return work;
  };

/** Reductions in flight, and the sums of those that are done. */
export interface PendingReductions {
  /** Adds the result of `work`, once it is ready, to the sum called `name`. */
  readonly add: (name: string, work: Work<Reduced>) => void;
  /** Starts a reduction that continues the sum called `name`, once its last one is done. */
  readonly extend: (name: string, start: Continue) => void;
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
  const add = (name: string, work: Work<Reduced>): void => {
    queue.push([name, work]);
    drain((oldest) => oldest.done || queue.length > MAX_PENDING);
  };
  return {
    add,
    extend(name, start) {
      drain(() => queue.some(([pending]) => pending === name));
      const sum = sums.get(name) ?? null;
      sums.delete(name);
      add(name, start(sum));
    },
    wait,
    take() {
      wait();
      return sums;
    },
  };
}
