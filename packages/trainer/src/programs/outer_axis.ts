// A parallel axis that trainer and checkpoint know nothing of: outer replicas, as two data centres would be. Each
// takes samples of its own, and holds all that the axes within it hold.

import { mapTensors, type Tree } from "@tessera/params";
import { replicatedAxis } from "@tessera/parallel";
import type { AxisDefinition } from "../index.js";

export const outerAxis = (degree: number): AxisDefinition => ({
  name: "outer",
  degree,
  create: ({ group }) => ({
    ...replicatedAxis("outer", group),
    batch: "samples",
    completeGradients: (gradients: Tree) =>
      mapTensors(gradients, (leaf) => {
        const sum = group.allReduce(leaf).wait();
        leaf.dispose();
        return sum;
      }),
  }),
});
