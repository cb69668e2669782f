// `@tessera/params/frozen`: parameters that the model uses, and training does not change.

import type { ParamSpec } from "./spec.js";
import { leaves, mapTree, type Like, type Tree, type TreeOf } from "./tree.js";

export { isDiscarded } from "./gradient.js";
export { divertSink } from "./tree.js";

/** Whether the parameter at a path is frozen. */
export type IsFrozen = (path: string) => boolean;

/** Whether `spec` says of the parameter at a path that it is frozen. */
export function frozenIn(spec: TreeOf<ParamSpec>): IsFrozen {
  const frozen = new Set(
    leaves<ParamSpec>(spec).flatMap(([path, { isFrozen }]) => (isFrozen === true ? [path] : [])),
  );
  return (path) => frozen.has(path);
}

/** `spec`, in which those parameters are frozen that were, or for whose path `isFrozen` is true. */
export const freezeSpec = <P extends Tree>(
  spec: Like<P, ParamSpec>,
  isFrozen: IsFrozen,
): Like<P, ParamSpec> =>
  mapTree(spec, (leaf: ParamSpec, path): ParamSpec =>
    isFrozen(path) ? { ...leaf, isFrozen: true } : leaf,
  ) as unknown as Like<P, ParamSpec>;
