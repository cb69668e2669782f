import type { Launcher } from "./launcher.js";

/** PMI 1 and 2: mpiexec of MPICH and Intel MPI, and srun with --mpi=pmi2 or Cray's PMI. */
export const pmi: Launcher = {
  name: "PMI",
  rank: "PMI_RANK",
  size: "PMI_SIZE",
  localRank: ["PMI_LOCAL_RANK", "MPI_LOCALRANKID", "SLURM_LOCALID"],
  localSize: ["PMI_LOCAL_SIZE", "MPI_LOCALNRANKS"],
};
