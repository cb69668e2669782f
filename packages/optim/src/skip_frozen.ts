// Optimizers of models in which some parameters are frozen.

import { filterTree, mergeTrees, type ParamSpec, type TreeOf } from "@tessera/params";
import { frozenIn } from "@tessera/params/frozen";
import { groupOf, type Optimizer, type OptimizerGroup } from "./optimizer.js";

/** The group of frozen parameters: nothing is kept beside them, and whatever they are cut into is as good. */
const FROZEN: OptimizerGroup = {
  index: -1,
  optimizer: { name: "none", granularity: "element", slots: [] },
};

/** `optimizer`, which leaves the parameters alone that are frozen in `spec`: its tensors are those of the others. */
export function skipFrozen(optimizer: Optimizer, spec: TreeOf<ParamSpec>): Optimizer {
  const isFrozen = frozenIn(spec);
  return {
    ...optimizer,
    groupOf: (path) => (isFrozen(path) ? FROZEN : groupOf(optimizer, path)),
    step(params, gradients, state, update) {
      const trained = filterTree(params, (path) => !isFrozen(path)) as typeof params;
      const next = optimizer.step(trained, gradients, state, update);
      return { ...next, params: mergeTrees(params, next.params) };
    },
  };
}
