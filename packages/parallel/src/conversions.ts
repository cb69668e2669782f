// Collectives as conversions between placements along one axis. The types of forward determine those of backward: each
// conversion's gradient takes the way back through its dual.

import type { Tensor } from "@tensorflow/tfjs-core";
import type { ProcessGroup, Work } from "@tessera/collectives";
import { claim, type Placed, type Sharded } from "@tessera/params/placement";

/** The conversions between placements along `Axis`. They borrow x. */
export interface Conversions<Axis extends string> {
  /** x as it is, where a region begins, in which each rank computes a part. Backward: `allReduce`. */
  enter(x: Placed<"invariant", Axis>): Work<Placed<"replicated", Axis>>;
  /** The sum of all ranks' terms. Backward: `enter`. */
  allReduce(x: Placed<"partial", Axis>): Work<Placed<"invariant", Axis>>;
  /** This rank's shard along dimension `at` of the sum of all ranks' terms. Backward: `allGather`. */
  reduceScatter<Dim extends string>(
    x: Placed<"partial", Axis>,
    at: number,
  ): Work<Placed<Sharded<Dim>, Axis>>;
  /** `sum` [n] plus this rank's shard of all ranks' terms x [size n], in rank order. Consumes `sum`. */
  reduceScatterOnto<Dim extends string>(
    sum: Placed<Sharded<Dim>, Axis>,
    x: Placed<"partial", Axis>,
  ): Work<Placed<Sharded<Dim>, Axis>>;
  /** The shards of all ranks, joined along dimension `at`. Backward: `reduceScatter`. */
  allGather<Dim extends string>(
    x: Placed<Sharded<Dim>, Axis>,
    at: number,
  ): Work<Placed<"replicated", Axis>>;
}

/** The conversions over the ranks of `group`, which lie along `Axis`. */
export const conversions = <Axis extends string>(group: ProcessGroup): Conversions<Axis> => ({
  enter(x) {
    const clone = claim<"replicated", Axis>(x.clone());
    return { done: true, wait: () => clone };
  },
  allReduce: (x) => group.allReduce(x) as Work<Placed<"invariant", Axis>>,
  reduceScatter: <Dim extends string>(x: Placed<"partial", Axis>, at: number) =>
    group.reduceScatter(x, at) as Work<Placed<Sharded<Dim>, Axis>>,
  reduceScatterOnto: <Dim extends string>(sum: Placed<Sharded<Dim>, Axis>, x: Tensor) =>
    group.reduceScatterOnto(sum, x) as Work<Placed<Sharded<Dim>, Axis>>,
  allGather: (x, at) => group.allGather(x, at) as Work<Placed<"replicated", Axis>>,
});
