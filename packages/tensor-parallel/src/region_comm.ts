// What is sent where a stretch that ranks share begins and ends.

import type { Tensor } from "@tensorflow/tfjs-core";
import type { ProcessGroup, Work } from "@tessera/collectives";
import { UNSHARDED, type ShardIndex } from "@tessera/mesh";

/** Forward gathers where a stretch begins and sums where it ends; backward the other way around. */
export interface RegionComm {
  /** The part of each sequence's tokens that a rank holds outside. */
  readonly tokenShard: ShardIndex;
  /** What each rank holds outside [batch, held time, width] -> all of it [batch, time, width]. */
  gather(x: Tensor): Work;
  /** The sum of every rank's y [batch, time, width] -> what each holds of it outside. */
  reduce(y: Tensor): Work;
}

/** x as it is. */
function cloneAsWork(x: Tensor): Work {
  const held = x.clone();
  return { done: true, wait: () => held };
}

/** Outside, every rank holds all tokens. */
export const replicatedTokens = (group: ProcessGroup): RegionComm => ({
  tokenShard: UNSHARDED,
  gather: cloneAsWork,
  reduce: (y) => group.allReduce(y),
});

const TIME = 1;

/** Outside, each rank holds its part of the tokens. */
export const shardedTokens = (group: ProcessGroup): RegionComm => ({
  tokenShard: { index: group.rank, count: group.size },
  gather: (x) => group.allGather(x, TIME),
  reduce: (y) => group.reduceScatter(y, TIME),
});
