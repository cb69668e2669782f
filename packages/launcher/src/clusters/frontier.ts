import type { Cluster, NodeUse } from "./cluster.js";

/** Operations per cycle of a Zen 3 core, which has no 16-bit products: two fused multiply-adds of 8 lanes. */
const OPERATIONS_PER_CYCLE = 32;
const processorPeak = (56 * 2.0 * OPERATIONS_PER_CYCLE) / 1000;

const processors: NodeUse = {
  ranksPerNode: 8,
  cpusPerRank: 7,
  peakTflops: { fp32: processorPeak, bf16: processorPeak, fp16: processorPeak },
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
