import type { Cluster, NodeUse } from "./cluster.js";
import { zen3Peak } from "./zen3.js";

const processors: NodeUse = {
  ranksPerNode: 8,
  cpusPerRank: 7,
  peakTflops: zen3Peak(56, 2.0),
  modules: ["PrgEnv-gnu", "cray-mpich"],
  environment: {},
  directives: ["--exclusive"],
  srun: [],
};

/**
 * OLCF: a 64-core EPYC 7A53 at 2.0 GHz a node, of which a job has seven of the eight cores that share a cache:
 * one rank on each seven. Beside each seven is one of the two dies of an MI250X, of which a node has four.
 */
export const frontier: Cluster = {
  name: "frontier",
  requiresAccount: true,
  processors,
  gpus: {
    ...processors,
    // AMD gives 95.7 and 383 for an MI250X.
    peakTflops: { fp32: 4 * 95.7, bf16: 4 * 383, fp16: 4 * 383 },
    modules: [...processors.modules, "rocm"],
    srun: ["--gpus-per-task=1", "--gpu-bind=closest"],
  },
};
