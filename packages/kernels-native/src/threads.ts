// How many threads the kernels of one process may use: what it was given, never more.

/** The variables that say so, as they stand in `process.env`. */
export type ThreadEnvironment = Readonly<Record<string, string | undefined>>;

const NAMES = ["OMP_NUM_THREADS", "SLURM_CPUS_PER_TASK"] as const;

/** The least of the processors that the affinity allows and what the environment grants. */
export function threadCount(environment: ThreadEnvironment, processors: number): number {
  const granted = NAMES.flatMap((name) => {
    const text = environment[name];
    if (text === undefined || text === "") return [];
    // OMP_NUM_THREADS may list one number per level of nesting; ours is the first.
    const count = Number(text.split(",", 1)[0]);
    if (!Number.isInteger(count) || count < 1) {
      throw new Error(`${name} is "${text}", must be a whole number of threads above 0`);
    }
    return [count];
  });
  return Math.min(processors, ...granted);
}
