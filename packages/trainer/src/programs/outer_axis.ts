// A parallel axis that trainer and checkpoint know nothing of: outer replicas, as two data centres would be. Each
// takes samples of its own, and holds all that the axes within it hold.

import type { Tensor } from "@tensorflow/tfjs-core";
import { mapTree } from "@tessera/params";
import { claim } from "@tessera/params/placement";
import { conversions, replicatedAxis } from "@tessera/parallel";
import type { AxisDefinition } from "../index.js";

export const outerAxis = (degree: number): AxisDefinition => ({
  name: "outer",
  degree,
  create: ({ group }) => ({
    ...replicatedAxis("outer", group),
    batch: "samples",
    completeGradients: (gradients) =>
      mapTree(gradients, (leaf: Tensor) => {
        const sum = conversions<"this">(group).allReduce(claim(leaf)).wait();
        leaf.dispose();
        return sum;
      }),
  }),
});
