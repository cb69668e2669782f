// Clusters as data: what a job script says on each. Another site is another entry.

export interface Site {
  readonly name: string;
  readonly gpusPerNode: number;
  readonly ranksPerNode: number;
  /** Processors that a rank may use; null where the cluster's own default is right. */
  readonly cpusPerRank: number | null;
  /** Of the GPU of a rank, in 16-bit products: 10^12 operations a second; null where sites differ. */
  readonly peakTflops: number | null;
  readonly requiresAccount: boolean;
  readonly modules: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  /** Lines of `#SBATCH` beside the usual ones. */
  readonly directives: readonly string[];
  /** Arguments of srun beside the usual ones. */
  readonly srun: readonly string[];
}

const ofGenericSlurm: Site = {
  name: "generic",
  gpusPerNode: 0,
  ranksPerNode: 1,
  cpusPerRank: null,
  peakTflops: null,
  requiresAccount: false,
  modules: [],
  // By Slurm's default a fence of PMIx may end on each node by itself: Open MPI then fails at its start.
  environment: { SLURM_PMIX_FENCE: "ring" },
  directives: [],
  srun: ["--mpi=pmix"],
};

/** OLCF: 4 MI250X a node, which are 8 GPUs to programs; 7 of 8 cores of each are the job's. */
const frontier: Site = {
  name: "frontier",
  gpusPerNode: 8,
  ranksPerNode: 8,
  cpusPerRank: 7,
  peakTflops: 191.5,
  requiresAccount: true,
  modules: ["PrgEnv-gnu", "cray-mpich", "rocm"],
  environment: { MPICH_GPU_SUPPORT_ENABLED: "0" },
  directives: ["--exclusive"],
  srun: ["--gpus-per-task=1", "--gpu-bind=closest"],
};

/** NERSC: 4 A100 a node, 64 cores of two threads. */
const perlmutter: Site = {
  name: "perlmutter",
  gpusPerNode: 4,
  ranksPerNode: 4,
  cpusPerRank: 32,
  peakTflops: 312,
  requiresAccount: true,
  modules: ["PrgEnv-gnu", "cray-mpich"],
  environment: {},
  directives: ["--constraint=gpu", "--qos=regular"],
  srun: ["--gpus-per-task=1", "--gpu-bind=closest"],
};

export const SITES = { generic: ofGenericSlurm, frontier, perlmutter } as const;
export type SiteName = keyof typeof SITES;
