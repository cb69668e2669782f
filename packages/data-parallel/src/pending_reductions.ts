// Reductions that go on while backward does. What they read stays in memory until their results are
// taken, so each is taken as soon as it is there.

import type { Tensor } from "@tensorflow/tfjs-core";
import type { Work } from "@tessera/collectives";
import { accumulate, call } from "@tessera/kernels";

/** How many may be under way before the oldest is waited for. */
const MAX_PENDING = 16;

export interface PendingReductions {
  /** Adds the result of `work`, in time, to the sum of that name. */
  readonly add: (name: string, work: Work) => void;
  /** Waits for all that is under way. */
  readonly wait: () => void;
  /** The sums by name, once all results are there. The caller owns them. */
  readonly take: () => ReadonlyMap<string, Tensor>;
}

/** Sums of results, taken in the order of their posting. */
export function createPendingReductions(): PendingReductions {
  const sums = new Map<string, Tensor>();
  const queue: (readonly [string, Work])[] = [];
  const settle = (isDue: (oldest: Work) => boolean): void => {
    while (queue.length > 0 && isDue(queue[0]![1])) {
      const [name, work] = queue.shift()!;
      const gradient = work.wait();
      const sum = sums.get(name);
      sums.set(name, sum ? call(accumulate, { sum, gradient }, {}).total : gradient);
    }
  };
  return {
    add(name, work) {
      queue.push([name, work]);
      settle((oldest) => oldest.done || queue.length > MAX_PENDING);
    },
    wait: () => settle(() => true),
    take() {
      settle(() => true);
      return sums;
    },
  };
}
