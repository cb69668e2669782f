// Starts ranks as threads: each runs the function `main` of one module.

import { MessageChannel, Worker, type MessagePort } from "node:worker_threads";
import type { Seat } from "./threads.js";

export interface ThreadRun {
  /** A module that exports `main(world, data)`. */
  readonly program: URL;
  readonly ranks: number;
  /** Given to each rank; copied. */
  readonly data?: unknown;
  /** The time limit of each call. */
  readonly limitSeconds?: number;
}

/** What each rank's `main` returned. Rejects, and ends all ranks, where one throws or exits. */
export async function runThreads<R>(run: ThreadRun): Promise<R[]> {
  const ports = channels(run.ranks);
  const arrivals = new SharedArrayBuffer(4 * run.ranks);
  const workers = ports.map((own, rank) => {
    const { ranks: size, limitSeconds = 600 } = run;
    const seat: Seat = { rank, size, ports: own, arrivals, limitSeconds };
    return new Worker(new URL("./thread_rank.js", import.meta.url), {
      workerData: { seat, program: run.program.href, data: run.data },
      transferList: own.filter((port) => port !== null),
    });
  });
  try {
    return await Promise.all(workers.map((worker, rank) => resultOf<R>(worker, rank)));
  } finally {
    await Promise.all(workers.map((worker) => worker.terminate()));
  }
}

function channels(ranks: number): (MessagePort | null)[][] {
  const ports = Array.from({ length: ranks }, () =>
    Array.from({ length: ranks }, (): MessagePort | null => null),
  );
  for (let a = 0; a < ranks; a += 1) {
    for (let b = 0; b < a; b += 1) {
      const { port1, port2 } = new MessageChannel();
      ports[a]![b] = port1;
      ports[b]![a] = port2;
    }
  }
  return ports;
}

const resultOf = <R>(worker: Worker, rank: number): Promise<R> =>
  new Promise((resolve, reject) => {
    worker.once("message", resolve);
    worker.once("error", (error: Error) => reject(new Error(`rank ${rank}: ${error.message}`)));
    worker.once("exit", (code) => reject(new Error(`rank ${rank}: ended with code ${code}`)));
  });
