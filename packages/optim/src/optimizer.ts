// What an optimizer is: a step over trees of parameters, and the tensors that it keeps beside them.

import { zerosLike, type Tensor } from "@tensorflow/tfjs-core";
import {
  filterTree,
  leaves,
  mapTensors,
  type ParamSpec,
  type Tree,
  type TreeOf,
} from "@tessera/params";

/** For each slot a tree of tensors, with the leaves of those parameters that have the slot. */
export type OptimizerState = Readonly<Record<string, Tree>>;

/** What a step is given beside tensors. */
export interface Update {
  /** Steps that changed something, this one included: counts from 1. */
  readonly step: number;
  readonly learningRate: number;
  /**
   * A scalar that every gradient is multiplied by: clipping, averaging, loss scaling. Where it is not finite a
   * gradient overflowed, and parameters and state must stay as they are. Borrowed.
   */
  readonly scale: Tensor;
}

/**
 * What an optimizer must see of a parameter. `element`: any of its elements, in any shape, as Adam does; ZeRO then
 * gives it flat buckets, tensor parallelism shards. `matrix`: all of it in its own shape, as Muon and Shampoo need.
 */
export type Granularity = "element" | "matrix";

/** A rule that updates parameters by their gradients and its state. All tensors are fp32. */
export interface Optimizer {
  /** As errors name it: "adam". */
  readonly name: string;
  readonly granularity: Granularity;
  /** Names of the tensors that it keeps beside a parameter. Checkpoints have them under these names. */
  readonly slots: readonly string[];
  /**
   * Updates all parameters. Consumes everything but `update`; tensors may be overwritten in place. Leaves are
   * parameters under their paths, or flat buckets under the path of their first parameter.
   */
  step<P extends Tree>(
    params: P,
    gradients: P,
    state: OptimizerState,
    update: Update,
  ): { readonly params: P; readonly state: OptimizerState };
  /** How much of the parameter at `path` it adds to its gradient. Default: nothing, as where weight decay is decoupled. */
  readonly l2?: (path: string) => number;
  /** Of an optimizer that has parameter groups: the group of the parameter at `path`. */
  readonly groupOf?: (path: string) => OptimizerGroup;
}

/** Parameters that one optimizer updates in one way, so that they may share a flat bucket. */
export interface OptimizerGroup {
  readonly index: number;
  readonly optimizer: Pick<Optimizer, "name" | "granularity" | "slots" | "l2">;
}

/** The group of the parameter at `path`: all are in one where the optimizer has no groups. */
export const groupOf = (optimizer: Optimizer, path: string): OptimizerGroup =>
  optimizer.groupOf?.(path) ?? { index: 0, optimizer };

/** Whether the optimizer keeps a tensor of this name beside the parameter at `path`. */
export const hasSlot = (optimizer: Optimizer, slot: string, path: string): boolean =>
  groupOf(optimizer, path).optimizer.slots.includes(slot);

/** The state before the first step: zeros. Borrows `params`. */
export const initialState = (optimizer: Optimizer, params: Tree): OptimizerState =>
  Object.fromEntries(
    optimizer.slots.map((slot) => {
      const kept = filterTree(params, (path) => hasSlot(optimizer, slot, path));
      return [slot, mapTensors(kept, zerosLike)];
    }),
  );

/** Whether weight decay acts on the parameter at a path. */
export type Decays = (path: string) => boolean;

/** Weight decay for matrices, none for norms' weights and biases, as `spec` says of each parameter. */
export function decayOf(spec: TreeOf<ParamSpec>): Decays {
  const decayed = new Set(
    leaves(spec)
      .filter(([, { decay }]) => decay)
      .map(([path]) => path),
  );
  return (path) => decayed.has(path);
}
