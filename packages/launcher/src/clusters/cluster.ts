// What a job script says on one cluster, as data.

/** How a job uses a cluster's nodes: by their processors, or by their GPUs. */
export interface NodeUse {
  readonly ranksPerNode: number;
  /** Slurm's processors (hardware threads) of a rank; null where the cluster's own default is right. */
  readonly cpusPerRank: number | null;
  /** Peak of what computes on a node that a job may use; null where nodes differ. */
  readonly peakTflops: Peak | null;
  readonly modules: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  /** Lines of `#SBATCH` beside the usual ones. */
  readonly directives: readonly string[];
  /** Arguments of srun beside the usual ones. */
  readonly srun: readonly string[];
}

/** Dense matrix products: 10^12 operations per second, by what they multiply. */
export type Peak = Readonly<Record<"fp32" | "bf16" | "fp16", number>>;

/** One cluster. */
export interface Cluster {
  readonly name: string;
  /** Whether a job without an account is refused. */
  readonly requiresAccount: boolean;
  readonly processors: NodeUse;
  /** With a rank on each GPU. */
  readonly gpus: NodeUse;
}
