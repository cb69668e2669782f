// ZeRO stage 3 (Rajbhandari et al., 2020; PyTorch's FSDP): a rank stores a shard of each parameter, and `fsdpWrapper`
// gathers full parameters around each call of the layer that uses them.

import { tidy, zerosLike } from "@tensorflow/tfjs-core";
import type { ProcessGroup } from "@tessera/collectives";
import { UNSHARDED, type ShardIndex } from "@tessera/mesh";
import {
  clipRange,
  createSink,
  mapTensors,
  mapTree,
  shardLayout,
  type Like,
  type ParamSpec,
  type Tree,
  type TreeOf,
} from "@tessera/params";
import { dataAxis, gradientsOf, type DataParallel } from "./data_parallel.js";
import { flattenPadded, takeShard } from "./flat_buffer.js";
import { gather, workOf, type FsdpGroup } from "./fsdp_params.js";
import { createPendingReductions } from "./pending_reductions.js";
import { sumSquares } from "./sum_squares.js";

/**
 * Shards weights, gradients and optimizer state over `group`. Build the model with `fsdpWrapper(group, shard)`.
 * `shard`: this rank's tensor-parallel shard. Default: unsharded.
 */
export function fullyShard<P extends Tree>(
  spec: Like<P, ParamSpec>,
  group: ProcessGroup,
  shard: ShardIndex = UNSHARDED,
): DataParallel<P> {
  const fsdp: FsdpGroup = { group, shard };
  return {
    ...dataAxis(group),
    shardsGradients: true,
    layouts: mapTree(spec as TreeOf<ParamSpec>, (leaf: ParamSpec, path) => {
      const [full] = shardLayout(leaf, shard, path).ranges;
      const size = Math.ceil(full!.size / group.size);
      return { shape: [size], ranges: clipRange(full!, group.rank, size) };
    }),
    replica: () => UNSHARDED,
    createReducer(local) {
      const reductions = createPendingReductions();
      return {
        sink() {
          reductions.wait();
          return createSink(local, (path, gradient) => reductions.add(path, workOf(gradient)));
        },
        finish() {
          const sums = reductions.take();
          return gradientsOf(mapTensors(local, (leaf, path) => sums.get(path) ?? zerosLike(leaf)));
        },
      };
    },
    sumOfSquares: (gradients, weight) => sumSquares(group, gradients, weight),
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
