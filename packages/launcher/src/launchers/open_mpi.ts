import type { Launcher } from "./launcher.js";

/** Open MPI's mpirun, which starts its daemons by srun in a Slurm job. */
export const openMpi: Launcher = {
  name: "Open MPI",
  rank: "OMPI_COMM_WORLD_RANK",
  size: "OMPI_COMM_WORLD_SIZE",
  localRank: ["OMPI_COMM_WORLD_LOCAL_RANK"],
  localSize: ["OMPI_COMM_WORLD_LOCAL_SIZE"],
  startedBy: ["Slurm"],
};
