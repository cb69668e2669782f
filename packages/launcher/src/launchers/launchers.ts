// Every launcher that is known, by the variables that its documentation names.

import type { Launcher } from "./launcher.js";
import { slurm } from "./slurm.js";

/** By itself it makes no process a rank: shells export it. It is the size where a launcher tells none. */
export const WORLD_SIZE = "WORLD_SIZE";

/** Also of DeepSpeed's launcher and accelerate. It starts its processes in the tasks of any other. */
const torchrun: Launcher = {
  name: "torchrun",
  rank: "RANK",
  size: [WORLD_SIZE],
  sign: "LOCAL_RANK",
  localRank: ["LOCAL_RANK"],
  localSize: ["LOCAL_WORLD_SIZE", "LOCAL_SIZE"],
  startsMpi: false,
  startedBy: ["Open MPI", "PMI", "MVAPICH", "jsrun", "PALS", "Flux", "Slurm"],
};

/** mpirun, which starts its daemons by srun in a Slurm job. Also of an MPIJob. */
const openMpi: Launcher = {
  name: "Open MPI",
  rank: "OMPI_COMM_WORLD_RANK",
  size: ["OMPI_COMM_WORLD_SIZE"],
  localRank: ["OMPI_COMM_WORLD_LOCAL_RANK"],
  localSize: ["OMPI_COMM_WORLD_LOCAL_SIZE"],
  startedBy: ["Slurm", "PMI"],
};

/** Hydra: mpiexec of MPICH and Intel MPI, which starts its proxies by srun in a Slurm job. */
const hydra: Launcher = {
  name: "PMI",
  rank: "PMI_RANK",
  size: ["PMI_SIZE"],
  sign: "MPI_LOCALRANKID",
  localRank: ["MPI_LOCALRANKID"],
  localSize: ["MPI_LOCALNRANKS"],
  startedBy: ["Slurm"],
};

/** mpirun_rsh of MVAPICH 2 and 3, which starts its agents by srun in a Slurm job. */
const mvapich = (prefix: string): Launcher => ({
  name: "MVAPICH",
  rank: `${prefix}_COMM_WORLD_RANK`,
  size: [`${prefix}_COMM_WORLD_SIZE`],
  localRank: [`${prefix}_COMM_WORLD_LOCAL_RANK`],
  localSize: [`${prefix}_COMM_WORLD_LOCAL_SIZE`],
  startedBy: ["Slurm"],
});

/** Of LSF and Spectrum MPI. */
const jsrun: Launcher = {
  name: "jsrun",
  rank: "JSM_NAMESPACE_RANK",
  size: ["JSM_NAMESPACE_SIZE"],
  localRank: ["JSM_NAMESPACE_LOCAL_RANK"],
  localSize: ["JSM_NAMESPACE_LOCAL_SIZE"],
};

/** HPE's mpiexec and aprun on top of PBS. It leaves the size to PMI or PMIx. */
const pals: Launcher = {
  name: "PALS",
  rank: "PALS_RANKID",
  size: ["PALS_SIZE"],
  localRank: ["PALS_LOCAL_RANKID"],
  localSize: ["PALS_LOCAL_SIZE"],
};

/** flux run. Its brokers may be tasks of another launcher. */
const flux: Launcher = {
  name: "Flux",
  rank: "FLUX_TASK_RANK",
  size: ["FLUX_JOB_SIZE"],
  localRank: ["FLUX_TASK_LOCAL_ID"],
  localSize: [],
  nodeCount: "FLUX_JOB_NNODES",
  startedBy: ["Slurm", "jsrun", "PALS"],
};

/** PMI 1 and 2 without Hydra: srun with --mpi=pmi2, Cray's PMI. */
const pmi: Launcher = {
  name: "PMI",
  rank: "PMI_RANK",
  size: ["PMI_SIZE"],
  localRank: ["PMI_LOCAL_RANK", "SLURM_LOCALID"],
  localSize: ["PMI_LOCAL_SIZE"],
};

/** aprun of Cray's older machines. */
const alps: Launcher = {
  name: "ALPS",
  rank: "ALPS_APP_PE",
  size: [],
  localRank: [],
  localSize: [],
};

/** prterun, and whatever else speaks PMIx alone. */
const pmix: Launcher = {
  name: "PMIx",
  rank: "PMIX_RANK",
  size: [],
  localRank: [],
  localSize: [],
};

const horovod: Launcher = {
  name: "Horovod",
  rank: "HOROVOD_RANK",
  size: ["HOROVOD_SIZE"],
  localRank: ["HOROVOD_LOCAL_RANK"],
  localSize: ["HOROVOD_LOCAL_SIZE"],
  startsMpi: false,
};

/** Kubeflow's, with one process in each pod. */
const pyTorchJob: Launcher = {
  name: "PyTorchJob",
  rank: "RANK",
  size: [WORLD_SIZE],
  localRank: [],
  localSize: [],
  onePerNode: true,
  startsMpi: false,
};

/** Those that run inside of others come first: their variables are about this process. */
export const LAUNCHERS: readonly Launcher[] = [
  torchrun,
  openMpi,
  hydra,
  mvapich("MV2"),
  mvapich("MVP"),
  flux,
  jsrun,
  pals,
  pmi,
  slurm,
  alps,
  pmix,
  horovod,
  pyTorchJob,
];
