// Starts ranks as worker threads: each calls the function `main` of a module.

import { MessageChannel, Worker, type MessagePort } from "node:worker_threads";
import { RunError, UserError } from "@tessera/config";
import type { Ended } from "./thread_rank.js";
import type { ThreadContext } from "./threads.js";

/** A program, and the ranks that run it. */
export interface ThreadRun {
  /** A module that exports `main(world, data)`. */
  readonly program: URL;
  readonly ranks: number;
  /** Passed to `main` on each rank, as a structured clone. */
  readonly data?: unknown;
  /** Timeout of each collective call and receive. Default: 600. */
  readonly limitSeconds?: number;
}

/**
 * The results of `main`, by rank.
 * @throws Error that names the first rank that throws or exits, a UserError or RunError where that is one; all ranks are
 * terminated.
 */
export async function runThreads<R>(run: ThreadRun): Promise<R[]> {
  const ports = connectAll(run.ranks);
  const arrivals = new SharedArrayBuffer(4 * run.ranks);
  const workers = ports.map((rankPorts, rank) => {
    const { ranks: size, limitSeconds = 600 } = run;
    const context: ThreadContext = { rank, size, ports: rankPorts, arrivals, limitSeconds };
    return new Worker(new URL("./thread_rank.js", import.meta.url), {
      workerData: { context, program: run.program.href, data: run.data },
      transferList: rankPorts.filter((port) => port !== null),
    });
  });
  try {
    return await Promise.all(workers.map((worker, rank) => waitForResult<R>(worker, rank)));
  } finally {
    await Promise.all(workers.map((worker) => worker.terminate()));
  }
}

/** A port from each rank to each other rank; null to itself. */
function connectAll(ranks: number): (MessagePort | null)[][] {
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

const waitForResult = <R>(worker: Worker, rank: number): Promise<R> =>
  new Promise((resolve, reject) => {
    worker.once("message", (ended: Ended) => {
      if ("failure" in ended) reject(errorOf(ended.failure, rank));
      else resolve(ended.result as R); // what the program's `main` returns
    });
    worker.once("error", (error: Error) => reject(errorOf(error, rank)));
    worker.once("exit", (code) => reject(new Error(`rank ${rank}: ended with code ${code}`)));
  });

/** What a rank threw, as an error of the same kind: what comes out of a thread has lost its class. */
function errorOf({ name, message }: Pick<Error, "name" | "message">, rank: number): Error {
  const text = `rank ${rank}: ${message}`;
  if (name === "UserError") return new UserError(text);
  return name === "RunError" ? new RunError(text) : new Error(text);
}
