// The entry point of a rank's worker thread.

import { parentPort, workerData } from "node:worker_threads";
import { threadWorld, type ThreadContext } from "./threads.js";
import type { World } from "./world.js";

interface WorkerData {
  readonly context: ThreadContext;
  readonly program: string;
  readonly data: unknown;
}

const { context, program, data } = workerData as WorkerData;
const { main } = (await import(program)) as { main: (world: World, data: unknown) => unknown };
const world = threadWorld(context, (code) => process.exit(code));
const result = await main(world, data);
world.close();
parentPort!.postMessage(result);
