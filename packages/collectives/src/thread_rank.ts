// What a thread runs to be a rank.

import { parentPort, workerData } from "node:worker_threads";
import { threadWorld, type Seat } from "./threads.js";
import type { World } from "./world.js";

interface Given {
  readonly seat: Seat;
  readonly program: string;
  readonly data: unknown;
}

const { seat, program, data } = workerData as Given;
const { main } = (await import(program)) as { main: (world: World, data: unknown) => unknown };
const world = threadWorld(seat, (code) => process.exit(code));
const result = await main(world, data);
world.close();
parentPort!.postMessage(result);
