// Parameters inside a stretch, where what ranks compute are parts of a sum.

import { mapTree, type Like, type ParamSpec, type Tree } from "@tessera/params";

/** `spec`, with all of it marked as inside. */
export const markTensorParallel = <P extends Tree>(spec: Like<P, ParamSpec>): Like<P, ParamSpec> =>
  mapTree(spec, (leaf: ParamSpec): ParamSpec => ({
    ...leaf,
    isTensorParallel: true,
  })) as unknown as Like<P, ParamSpec>;
