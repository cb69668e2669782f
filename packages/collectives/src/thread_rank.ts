// The entry point of a rank's worker thread.

import { parentPort, workerData } from "node:worker_threads";
import { threadWorld, type ThreadContext } from "./threads.js";
import type { World } from "./world.js";

interface WorkerData {
  readonly context: ThreadContext;
  readonly program: string;
  readonly data: unknown;
}

/** What a thread posts at its end. */
export type Ended =
  | { readonly result: unknown }
  | { readonly failure: { readonly name: string; readonly message: string } };

async function run({ context, program, data }: WorkerData): Promise<Ended> {
  try {
    const { main } = (await import(program)) as { main: (world: World, data: unknown) => unknown };
    const world = threadWorld(context, (code) => process.exit(code));
    const result = await main(world, data);
    world.close();
    return { result };
  } catch (error) {
    // Thrown out of here while another rank's failure terminates this thread, it would end the process.
    const { name, message } = error instanceof Error ? error : new Error(String(error));
    return { failure: { name, message } };
  }
}

parentPort!.postMessage(await run(workerData as WorkerData));
