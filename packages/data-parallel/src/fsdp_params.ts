// All-gather of sharded parameters, and reduce-scatter of their gradients.

import { reshape, slice, tidy, type Tensor } from "@tensorflow/tfjs-core";
import type { ProcessGroup, Work } from "@tessera/collectives";
import { sizeOf } from "@tessera/kernels/contract";
import type { ShardIndex } from "@tessera/mesh";
import {
  accumulateGradient,
  disposeTree,
  leaves,
  mapTensors,
  resolveGradient,
  sendGradient,
  shardSlice,
  type DeferredGradient,
  type Gradient,
  type GradientSink,
  type Like,
  type ParamSpec,
  type Tree,
} from "@tessera/params";
import { divertSink } from "@tessera/params/frozen";
import { claim, type Placed, type Sharded } from "@tessera/params/placement";
import { conversions } from "@tessera/parallel";
import { flattenPadded } from "./flat_buffer.js";
import { continueScatter, type Continue } from "./pending_reductions.js";

/** The ranks that parameters are sharded over, and the tensor-parallel shard that all of them have. */
export interface FsdpGroup {
  readonly group: ProcessGroup;
  readonly shard: ShardIndex;
}

/** All-gathers in flight. */
export interface PendingGather<P extends Tree> {
  /** The full parameters. The caller owns them. */
  wait(): P;
}

/** Starts the all-gathers of `shards`, which it borrows. */
export function gather<P extends Tree>(
  spec: Like<P, ParamSpec>,
  shards: P,
  { group, shard }: FsdpGroup,
): PendingGather<P> {
  const convert = conversions<"data">(group);
  const works = new Map<string, Work<Placed<"replicated", "data">>>();
  for (const [path, leaf] of leaves<Tensor>(shards)) {
    const own = claim<Sharded<"elements">, "data">(leaf);
    works.set(path, convert.allGather(own, 0));
  }
  const specs = new Map(leaves<ParamSpec>(spec));
  return {
    wait: () =>
      mapTensors(shards, (_leaf, path) => {
        const flat = works.get(path)!.wait();
        const shape = shardSlice(specs.get(path)!, shard, path).size;
        const size = sizeOf(shape);
        const full = tidy(() =>
          reshape(size === flat.size ? flat : slice(flat, [0], [size]), [...shape]),
        );
        flat.dispose();
        return full;
      }),
  };
}

/** The gradient of a full parameter, which the reducer reduces. */
interface UnreducedGradient extends DeferredGradient {
  readonly start: Continue;
}

/** Starts the reduction of `gradient`, if it is not reduced already. */
export const startOf = (gradient: Gradient): Continue =>
  "start" in gradient
    ? (gradient as UnreducedGradient).start
    : (sum) => {
        const total = sum ? accumulateGradient(sum, gradient) : resolveGradient(gradient);
        return { done: true, wait: () => claim(total) };
      };

/** Passes each gradient to `sink`, to be reduce-scattered over `group`. */
export function reduceScatterSink<P extends Tree>(
  sink: GradientSink<P>,
  group: ProcessGroup,
): GradientSink<P> {
  return divertSink(sink, (path, gradient) => {
    const full = resolveGradient(gradient);
    const flat = claim<"partial", "data">(flattenPadded(full, group.size));
    full.dispose();
    const start = continueScatter(flat, group);
    const unreduced: UnreducedGradient = {
      start,
      compute: () => start(null).wait(),
      accumulateInto: (sum) => accumulateGradient(sum, start(null).wait()),
      discard: () => start(null).wait().dispose(), // other ranks have started
    };
    sendGradient(sink, path, unreduced);
  });
}

/** Gathers the full parameters, calls `use` with them, and frees them. */
export function withFullParams<P extends Tree, R>(
  spec: Like<P, ParamSpec>,
  shards: P,
  fsdp: FsdpGroup,
  use: (params: P) => R,
): R {
  const params = gather(spec, shards, fsdp).wait();
  const result = use(params);
  disposeTree(params);
  return result;
}
