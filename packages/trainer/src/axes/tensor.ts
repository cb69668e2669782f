// Tensor parallelism: ranks that share each layer's matrices, and with sequence parallelism its tokens too.

import { noTensorParallel } from "@tessera/layers/parallel";
import type { Tree } from "@tessera/params";
import { sequenceParallel, tensorAxis, tensorParallel } from "@tessera/tensor-parallel";
import type { ResolvedParallel } from "../parallel_config.js";
import type { AxisDefinition } from "./definition.js";

export const tensorDefinition = <P extends Tree>({
  tensor: degree,
  sequence,
}: ResolvedParallel): AxisDefinition<P> => ({
  name: "tensor",
  degree,
  wrap(options, group) {
    if (degree === 1) return options;
    return {
      ...options,
      tensorParallel: sequence ? sequenceParallel(group) : tensorParallel(group),
    };
  },
  create: ({ group, stage: { spec, options } }) =>
    tensorAxis<P>(spec, options.tensorParallel ?? noTensorParallel, group),
});
