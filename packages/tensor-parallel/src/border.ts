// What is sent where a stretch that ranks share begins and ends.

import type { Tensor } from "@tensorflow/tfjs-core";
import type { ProcessGroup, Work } from "@tessera/collectives";
import { UNSHARDED, type ShardIndex } from "@tessera/mesh";

/** Forward gathers where a stretch begins and sums where it ends; backward the other way around. */
export interface Border {
  /** The part of each sequence's tokens that a rank holds outside. */
  readonly outside: ShardIndex;
  /** What each rank holds outside [batch, held time, width] -> all of it [batch, time, width]. */
  gather(x: Tensor): Work;
  /** The sum of every rank's y [batch, time, width] -> what each holds of it outside. */
  sum(y: Tensor): Work;
}

/** x as it is. */
function here(x: Tensor): Work {
  const held = x.clone();
  return { done: true, wait: () => held };
}

/** Outside, every rank holds all tokens. */
export const wholeTokens = (group: ProcessGroup): Border => ({
  outside: UNSHARDED,
  gather: here,
  sum: (y) => group.allReduce(y),
});

const TIME = 1;

/** Outside, each rank holds its part of the tokens. */
export const sharedTokens = (group: ProcessGroup): Border => ({
  outside: { index: group.rank, count: group.size },
  gather: (x) => group.allGather(x, TIME),
  sum: (y) => group.reduceScatter(y, TIME),
});
