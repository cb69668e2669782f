// Ranks of a command: as threads, or as processes of a job.

import { runRank, type World } from "@tessera/collectives";
import { EXIT, UserError } from "@tessera/config";

/** Of the modules and tensors of a thread. */
const THREAD_BYTES = 80 * 2 ** 20;

/** @throws UserError where they take more memory than there is. */
export function checkThreads(ranks: number): void {
  const most = Math.floor(process.availableMemory() / THREAD_BYTES);
  if (ranks <= most) return;
  throw new UserError(
    `--ranks ${ranks}: as threads they need about ${Math.ceil((ranks * THREAD_BYTES) / 2 ** 30)} GiB, ` +
      `and there is memory for ${most}; start this by srun on several nodes, or lower the data-parallel ranks`,
  );
}

/** What `work` finds as this rank of `world`, once all ranks are done. Where one throws, the job ends on all of them. */
export async function onRank<T>(world: World, work: () => Promise<T>): Promise<T> {
  const found: T[] = [];
  await runRank(world, async () => {
    found.push(await work());
    return EXIT.done;
  });
  return found[0]!;
}
