import type { Cluster, NodeUse } from "./cluster.js";

const use: NodeUse = {
  ranksPerNode: 1,
  cpusPerRank: null,
  peakTflops: null,
  modules: [],
  // By Slurm's default a fence of PMIx may end on each node by itself: Open MPI then fails at its start.
  environment: { SLURM_PMIX_FENCE: "ring" },
  directives: [],
  srun: ["--mpi=pmix"],
};

/** Any cluster with Slurm and PMIx. Each rank takes a GPU by its local rank. */
export const generic: Cluster = {
  name: "generic",
  requiresAccount: false,
  processors: use,
  gpus: use,
};
