// Optimizers from a function over lists of tensors, which one call of a multi-tensor kernel may be.

import type { Tensor } from "@tensorflow/tfjs-core";
import { leaves, mapTensors, type Tree } from "@tessera/params";
import type { Optimizer, Update } from "./optimizer.js";

/** Lists in one order, with an entry for each parameter. */
export interface UpdateTensors {
  readonly paths: readonly string[];
  readonly params: readonly Tensor[];
  readonly gradients: readonly Tensor[];
  /** A list for each slot. */
  readonly slots: readonly (readonly Tensor[])[];
}

/** An optimizer as a function over lists of tensors. */
export interface OptimizerDefinition extends Pick<
  Optimizer,
  "name" | "granularity" | "slots" | "l2"
> {
  /**
   * Returns the new parameters and slots, none of which is one of its arguments. It may dispose of `tensors`, as
   * kernels do that write in place; what it leaves is freed behind it.
   */
  readonly update: (
    tensors: UpdateTensors,
    update: Update,
  ) => Pick<UpdateTensors, "params" | "slots">;
}

/** An optimizer of trees from one of lists. */
export function defineOptimizer({
  name,
  granularity,
  slots,
  l2 = () => 0,
  update: updateAll,
}: OptimizerDefinition): Optimizer {
  return {
    name,
    granularity,
    slots,
    l2,
    step(params, gradients, state, update) {
      const paths = leaves<Tensor>(params).map(([path]) => path);
      const listOf = (tree: Tree): readonly Tensor[] => {
        const byPath = new Map(leaves<Tensor>(tree));
        return paths.map((path) => byPath.get(path)!);
      };
      const tensors: UpdateTensors = {
        paths,
        params: listOf(params),
        gradients: listOf(gradients),
        slots: slots.map((slot) => listOf(state[slot]!)),
      };
      const next = updateAll(tensors, update);
      for (const spent of [tensors.params, tensors.gradients, ...tensors.slots].flat()) {
        if (!spent.isDisposed) spent.dispose();
      }
      const index = new Map(paths.map((path, i) => [path, i]));
      const treeOf = (list: readonly Tensor[]) =>
        mapTensors(params, (_spent, path) => list[index.get(path)!]!);
      return {
        params: treeOf(next.params),
        state: Object.fromEntries(slots.map((slot, i) => [slot, treeOf(next.slots[i]!)])),
      };
    },
  };
}
