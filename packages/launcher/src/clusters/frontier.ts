import type { Cluster } from "./cluster.js";

/** Operations per cycle of a Zen 3 core in fp32: two fused multiply-adds of 8 lanes. */
const OPERATIONS_PER_CYCLE = 32;

/**
 * OLCF: a 64-core EPYC 7A53 at 2.0 GHz a node, of which a job has seven of the eight cores that share a cache:
 * one rank on each seven.
 */
export const frontier: Cluster = {
  name: "frontier",
  ranksPerNode: 8,
  cpusPerRank: 7,
  cpuPeakTflops: (56 * 2.0 * OPERATIONS_PER_CYCLE) / 1000,
  requiresAccount: true,
  modules: ["PrgEnv-gnu", "cray-mpich"],
  environment: {},
  directives: ["--exclusive"],
  srun: [],
};
