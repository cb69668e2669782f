import type { Cluster } from "./cluster.js";

/** Any cluster with Slurm and PMIx. */
export const generic: Cluster = {
  name: "generic",
  ranksPerNode: 1,
  cpusPerRank: null,
  cpuPeakTflops: null,
  requiresAccount: false,
  modules: [],
  // By Slurm's default a fence of PMIx may end on each node by itself: Open MPI then fails at its start.
  environment: { SLURM_PMIX_FENCE: "ring" },
  directives: [],
  srun: ["--mpi=pmix"],
};
