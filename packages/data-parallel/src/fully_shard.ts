// ZeRO stage 3 (Rajbhandari et al., 2020; PyTorch's FSDP): a rank stores a shard of each parameter, and `fsdpWrapper`
// gathers full parameters around each call of the layer that uses them.

import { tidy, zerosLike, type Tensor } from "@tensorflow/tfjs-core";
import type { ProcessGroup } from "@tessera/collectives";
import { UNSHARDED, type ShardIndex } from "@tessera/mesh";
import {
  clipRange,
  createSink,
  filterTree,
  mapTensors,
  mapTree,
  shardLayout,
  type Gradient,
  type Like,
  type ParamSpec,
  type Tree,
  type TreeOf,
} from "@tessera/params";
import { frozenIn } from "@tessera/params/frozen";
import { dataAxis, gradientsOf, type DataParallel, type SumOrder } from "./data_parallel.js";
import { flattenPadded, takeShard } from "./flat_buffer.js";
import { gather, startOf, type FsdpGroup } from "./fsdp_params.js";
import { createOrderedSums, type OrderedSums } from "./ordered_sums.js";
import { createPendingReductions } from "./pending_reductions.js";
import { sumSquares } from "./sum_squares.js";

/** What `fullyShard` needs to know beside the group. */
export interface FullyShardOptions {
  /** This rank's tensor-parallel shard. Default: unsharded. */
  readonly shard?: ShardIndex;
  /** In which order gradients are summed. Default: fixed. */
  readonly sumOrder?: SumOrder;
}

/** Shards weights, gradients and optimizer state over `group`. Build the model with `fsdpWrapper(group, shard)`. */
export function fullyShard<P extends Tree>(
  spec: Like<P, ParamSpec>,
  group: ProcessGroup,
  { shard = UNSHARDED, sumOrder = "fixed" }: FullyShardOptions = {},
): DataParallel<P> {
  const fsdp: FsdpGroup = { group, shard };
  const isFrozen = frozenIn(spec);
  return {
    ...dataAxis(group),
    layouts: mapTree(spec as TreeOf<ParamSpec>, (leaf: ParamSpec, path) => {
      const [full] = shardLayout(leaf, shard, path).ranges;
      const size = Math.ceil(full!.size / group.size);
      return { shape: [size], ranges: clipRange(full!, group.rank, size) };
    }),
    replica: () => UNSHARDED,
    createReducer(local) {
      const sums = sumOrder === "fixed" ? createOrderedSums() : createFreeSums();
      return {
        sink() {
          sums.begin();
          const receive = (path: string, gradient: Gradient): void =>
            sums.add(path, startOf(gradient));
          return createSink(local, receive, isFrozen);
        },
        finish() {
          const taken = sums.take();
          const trained = filterTree<Tensor>(local, (path) => !isFrozen(path));
          return gradientsOf(
            mapTensors(trained, (leaf, path) => taken.get(path) ?? zerosLike(leaf)),
          );
        },
      };
    },
    sumOfSquares: (gradients, counts) => sumSquares(group, gradients, counts),
    shardParams: (full) =>
      mapTensors(full, (leaf) => {
        const local = tidy(() =>
          takeShard(flattenPadded(leaf, group.size), group.rank, group.size),
        );
        leaf.dispose();
        return local;
      }),
    toOptimizer: (local) => local,
    fromOptimizer: (shards) => shards as P,
    gatherParams: (local) => gather(spec, local, fsdp).wait(),
    gatherFromOptimizer: (shards) => gather<Tree>(spec, shards, fsdp).wait(),
  };
}

/** Sums of a step, each term added as soon as it is there. */
function createFreeSums(): OrderedSums {
  const { add, wait, take } = createPendingReductions();
  return { begin: wait, add: (name, start) => add(name, start(null)), take };
}
