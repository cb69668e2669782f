// Sums whose bits no data layout changes: their terms are added in the order of the global batch, a microbatch after the
// other and in each a rank after the other, and each term whole.

import { accumulate, call } from "@tessera/kernels";
import { claim } from "@tessera/params/placement";
import type { Reduced } from "./data_parallel.js";
import { createPendingReductions, type Continue } from "./pending_reductions.js";

/** Sums of a step by name. */
export interface OrderedSums {
  /** Starts the next microbatch. */
  readonly begin: () => void;
  /** Starts the reduction of this microbatch's next term of the sum called `name`. */
  readonly add: (name: string, start: Continue) => void;
  /** The sums. The caller owns them. */
  readonly take: () => ReadonlyMap<string, Reduced>;
}

/**
 * Sums of one step. What a microbatch has several terms of, such as the gradient of a tied table, is summed use by use:
 * other pipeline stages may have the others.
 */
export function createOrderedSums(): OrderedSums {
  const reductions = createPendingReductions();
  let uses = new Map<string, number>();
  const nameOf = (name: string, use: number): string => `${name} ${use}`;
  /** The names of sums, and how many uses each has. */
  const useCounts = new Map<string, number>();
  return {
    begin() {
      // What is in flight has had the forward pass to arrive, and keeps its terms in memory.
      reductions.wait();
      uses = new Map();
    },
    add(name, start) {
      const use = uses.get(name) ?? 0;
      uses.set(name, use + 1);
      useCounts.set(name, Math.max(useCounts.get(name) ?? 0, use + 1));
      reductions.extend(nameOf(name, use), start);
    },
    take() {
      const taken = reductions.take();
      const sumOf = (name: string, count: number): Reduced => {
        const terms = Array.from({ length: count }, (_, use) => taken.get(nameOf(name, use))!);
        return terms.reduce((sum, gradient) =>
          claim(call(accumulate, { sum, gradient }, {}).total),
        );
      };
      return new Map([...useCounts].map(([name, count]) => [name, sumOf(name, count)]));
    },
  };
}
