import type { Cluster } from "./cluster.js";

/** Operations per cycle of a Zen 3 core in fp32: two fused multiply-adds of 8 lanes. */
const OPERATIONS_PER_CYCLE = 32;

/**
 * NERSC: CPU nodes of two 64-core EPYC 7763 at 2.45 GHz, with two threads a core, in eight NUMA domains of 16
 * cores: one rank on each.
 */
export const perlmutter: Cluster = {
  name: "perlmutter",
  ranksPerNode: 8,
  cpusPerRank: 32,
  cpuPeakTflops: (128 * 2.45 * OPERATIONS_PER_CYCLE) / 1000,
  requiresAccount: true,
  modules: ["PrgEnv-gnu", "cray-mpich"],
  environment: {},
  directives: ["--constraint=cpu", "--qos=regular"],
  srun: ["--cpu-bind=cores"],
};
