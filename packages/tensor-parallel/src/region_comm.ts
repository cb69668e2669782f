// Communication at the borders of a tensor-parallel region: Megatron's conjugate operators f and g.

import type { ProcessGroup, Work } from "@tessera/collectives";
import type { Outside, TokenShard } from "@tessera/layers/placement";
import { UNSHARDED } from "@tessera/mesh";
import { conversions } from "@tessera/parallel";
import { claim, type Placed, type Sharded } from "@tessera/params/placement";

/** Forward gathers at the start of a region and reduces at its end; backward the other way round. */
export interface RegionComm {
  /** This rank's shard of each sequence's tokens outside of regions. */
  readonly tokenShard: TokenShard;
  /** This rank's tokens [batch, local time, width] -> all tokens [batch, time, width]. Borrows x. */
  gather(x: Placed<Outside>): Work<Placed<"replicated">>;
  /** Partial sums y [batch, time, width] -> their sum over ranks [batch, local time, width]. Borrows y. */
  reduce(y: Placed<"partial">): Work<Placed<Outside>>;
}

/** Tensor parallelism: all ranks have all tokens outside of regions. Gather is the identity, reduce an all-reduce. */
export function replicatedTokens(group: ProcessGroup): RegionComm {
  const convert = conversions<"tensor">(group);
  return {
    tokenShard: UNSHARDED,
    gather(x) {
      const invariant = claim<"invariant">(x);
      return convert.enter(invariant);
    },
    reduce: (y) => convert.allReduce(y),
  };
}

const TIME = 1;

/** Sequence parallelism: tokens are sharded outside of regions. All-gather and reduce-scatter along time. */
export function shardedTokens(group: ProcessGroup): RegionComm {
  const convert = conversions<"tensor">(group);
  return {
    tokenShard: { index: group.rank, count: group.size },
    gather(x) {
      const shard = claim<Sharded<"tokens">>(x);
      return convert.allGather(shard, TIME);
    },
    reduce: (y) => convert.reduceScatter<"tokens">(y, TIME),
  };
}
