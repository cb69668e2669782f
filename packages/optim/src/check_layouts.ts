// Whether an optimizer is given what it needs of parameters.

import { UserError } from "@tessera/config";
import { leafAt, leaves, type ParamSpec, type ShardLayout, type TreeOf } from "@tessera/params";
import { groupOf, type Optimizer } from "./optimizer.js";

/**
 * Checks what a rank's optimizer shards hold, by their `layouts`, of the parameters of `spec`.
 * @throws UserError that names the first parameter of which an optimizer that needs the whole matrix is given less,
 * or that shares a bucket with one of another group.
 */
export function checkLayouts(
  optimizer: Optimizer,
  layouts: TreeOf<ShardLayout>,
  spec: TreeOf<ParamSpec>,
): void {
  for (const [name, { shape, ranges }] of leaves<ShardLayout>(layouts)) {
    const group = groupOf(optimizer, name);
    const other = ranges.find(({ path }) => groupOf(optimizer, path).index !== group.index);
    if (other !== undefined) {
      throw new UserError(
        `${other.path}: is in one bucket with ${name}, which is in another parameter group; ` +
          "give the groups to the data-parallel strategy too",
      );
    }
    const { name: who, granularity } = group.optimizer;
    const full = leafAt<ParamSpec>(spec, name)!.shape;
    if (granularity === "element" || String(shape) === String(full)) continue;
    throw new UserError(
      `${name}: ${who} needs the whole matrix [${full.join(", ")}], of which this rank's shard is ` +
        `[${shape.join(", ")}]; use ZeRO stage 0 without tensor parallelism, or put the parameter into ` +
        "a group whose optimizer works element by element",
    );
  }
}
