// What a job script says on one cluster, as data.

/** One cluster. */
export interface Cluster {
  readonly name: string;
  readonly ranksPerNode: number;
  /** Slurm's processors (hardware threads) of a rank; null where the cluster's own default is right. */
  readonly cpusPerRank: number | null;
  /**
   * Peak of the processors of a node that a job may use, in fp32: 10^12 operations per second; null where nodes
   * differ. Engines of Tessera run on processors, so an accelerator's peak is none to measure them by.
   */
  readonly cpuPeakTflops: number | null;
  /** Whether a job without an account is refused. */
  readonly requiresAccount: boolean;
  readonly modules: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  /** Lines of `#SBATCH` beside the usual ones. */
  readonly directives: readonly string[];
  /** Arguments of srun beside the usual ones. */
  readonly srun: readonly string[];
}
