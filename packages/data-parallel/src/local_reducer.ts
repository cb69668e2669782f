// Gradients of a step on one rank: summed over microbatches, in their order.

import type { Tensor } from "@tensorflow/tfjs-core";
import {
  accumulate,
  accumulateGradient,
  createSink,
  filterTree,
  resolveGradient,
  sendGradient,
  type Gradient,
  type Tree,
} from "@tessera/params";
import type { IsFrozen } from "@tessera/params/frozen";
import { gradientsOf, type GradientReducer } from "./data_parallel.js";

/**
 * Sums over microbatches. A parameter's first gradients of each are summed, and so are the second ones: a tied table has
 * the sums that pipeline stages would have.
 */
export function createLocalReducer<P extends Tree>(
  local: P,
  isFrozen: IsFrozen,
): GradientReducer<P> {
  const { sink, take } = accumulate(filterTree<Tensor>(local, (path) => !isFrozen(path)));
  /** Sums of second and further gradients, the first of them perhaps not computed yet. */
  const further = new Map<number, Map<string, Gradient>>();
  return {
    sink() {
      const uses = new Map<string, number>();
      const receive = (path: string, gradient: Gradient): void => {
        const use = uses.get(path) ?? 0;
        uses.set(path, use + 1);
        if (use === 0) {
          sendGradient(sink, path, gradient);
          return;
        }
        const sums = further.get(use) ?? new Map<string, Gradient>();
        further.set(use, sums);
        const sum = sums.get(path);
        sums.set(path, sum ? accumulateGradient(resolveGradient(sum), gradient) : gradient);
      };
      return createSink(local, receive, isFrozen);
    },
    finish() {
      for (const sums of further.values()) {
        for (const [path, gradient] of sums) sendGradient(sink, path, gradient);
      }
      return gradientsOf(take());
    },
  };
}
