// Parameter groups: different parameters by different optimizers, as torchtitan's param groups and MLX's
// MultiOptimizer have them.

import type { Tensor } from "@tensorflow/tfjs-core";
import { UserError } from "@tessera/config";
import {
  filterTree,
  leaves,
  mapTensors,
  mergeTrees,
  type ParamSpec,
  type Tree,
  type TreeOf,
} from "@tessera/params";
import type { Optimizer, OptimizerState } from "./optimizer.js";

/** Some parameters and the optimizer that updates them. */
export interface ParameterGroup {
  /** Whether the group takes the parameter at `path`. The first group that does has it. */
  readonly match: (path: string, spec: ParamSpec) => boolean;
  readonly optimizer: Optimizer;
  /** Factor of the schedule's learning rate. Default: 1. */
  readonly learningRateScale?: number;
}

/**
 * Updates each parameter of `spec` by the optimizer of its group. Optimizers may have slots of the same name.
 * @throws UserError that names a parameter that no group takes.
 */
export function partitioned(spec: TreeOf<ParamSpec>, groups: readonly ParameterGroup[]): Optimizer {
  const indices = new Map(
    leaves<ParamSpec>(spec).map(([path, leaf]) => {
      const index = groups.findIndex(({ match }) => match(path, leaf));
      if (index >= 0) return [path, index];
      throw new UserError(
        `${path}: no parameter group takes it; add a last one that matches every parameter`,
      );
    }),
  );
  const used = groups.filter((_group, index) => [...indices.values()].includes(index));
  return {
    name: used.map(({ optimizer }) => optimizer.name).join(" and "),
    granularity: used.some(({ optimizer }) => optimizer.granularity === "matrix")
      ? "matrix"
      : "element",
    slots: [...new Set(used.flatMap(({ optimizer }) => optimizer.slots))],
    groupOf(path) {
      const index = indices.get(path)!;
      return { index, optimizer: groups[index]!.optimizer };
    },
    step(params, gradients, state, update) {
      const next = new Map<string, Tensor>();
      let nextState: OptimizerState = {};
      groups.forEach(({ optimizer, learningRateScale = 1 }, index) => {
        const pick = (tree: Tree): Tree => filterTree(tree, (path) => indices.get(path) === index);
        const own = pick(params);
        if (leaves(own).length === 0) return; // of a pipeline stage that has none of them
        const ownState = optimizer.slots.map((slot) => [slot, pick(state[slot]!)] as const);
        const stepped = optimizer.step(own, pick(gradients), Object.fromEntries(ownState), {
          ...update,
          learningRate: update.learningRate * learningRateScale,
        });
        for (const [path, leaf] of leaves<Tensor>(stepped.params)) next.set(path, leaf);
        nextState = mergeTrees<TreeOf<Tensor>>(nextState, stepped.state) as OptimizerState;
      });
      return {
        params: mapTensors(params, (_spent, path) => next.get(path)!),
        state: nextState,
      };
    },
  };
}
