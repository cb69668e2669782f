// Communication at the borders of a tensor-parallel region: Megatron's conjugate operators f and g.

import type { Tensor } from "@tensorflow/tfjs-core";
import type { ProcessGroup, Work } from "@tessera/collectives";
import { UNSHARDED, type ShardIndex } from "@tessera/mesh";

/** Forward gathers at the start of a region and reduces at its end; backward the other way round. */
export interface RegionComm {
  /** This rank's shard of each sequence's tokens outside of regions. */
  readonly tokenShard: ShardIndex;
  /** This rank's tokens [batch, local time, width] -> all tokens [batch, time, width]. Borrows x. */
  gather(x: Tensor): Work;
  /** Partial sums y [batch, time, width] -> their sum over ranks [batch, local time, width]. Borrows y. */
  reduce(y: Tensor): Work;
}

/** Tensor parallelism: all ranks have all tokens outside of regions. Gather is the identity, reduce an all-reduce. */
export const replicatedTokens = (group: ProcessGroup): RegionComm => ({
  tokenShard: UNSHARDED,
  gather: cloneAsWork,
  reduce: (y) => group.allReduce(y),
});

const TIME = 1;

/** Sequence parallelism: tokens are sharded outside of regions. All-gather and reduce-scatter along time. */
export const shardedTokens = (group: ProcessGroup): RegionComm => ({
  tokenShard: { index: group.rank, count: group.size },
  gather: (x) => group.allGather(x, TIME),
  reduce: (y) => group.reduceScatter(y, TIME),
});

/** x, as a work that is already done. */
function cloneAsWork(x: Tensor): Work {
  const clone = x.clone();
  return { done: true, wait: () => clone };
}
