// Marks the parameters of a tensor-parallel region, whose outputs are partial sums.

import { mapTree, type Like, type ParamSpec, type Tree } from "@tessera/params";

/** `spec` with `isTensorParallel` set on all parameters. */
export const markTensorParallel = <P extends Tree>(spec: Like<P, ParamSpec>): Like<P, ParamSpec> =>
  mapTree(spec, (leaf: ParamSpec): ParamSpec => ({
    ...leaf,
    isTensorParallel: true,
  })) as unknown as Like<P, ParamSpec>;
