// The thread that writes while training goes on. It is also the heartbeat of the lock, as it is never busy for long.

import { parentPort, workerData } from "node:worker_threads";
import { touchLock } from "@tessera/files";
import { HEARTBEAT_MS } from "./folder_lock.js";
import { saveShard, type JobFolder, type SaveRequest } from "./save_shard.js";

/** What the thread starts with. */
export interface WriterStart {
  readonly job: JobFolder;
  /** Descriptor of the lock; null where another rank holds it. */
  readonly lock: number | null;
}

/** Messages of the thread. */
export type WriterReply =
  | { readonly kind: "written"; readonly bytes: number }
  | {
      readonly kind: "saved";
      readonly path: string | null;
      readonly seconds: number;
      readonly bytes: Uint8Array;
    }
  | { readonly kind: "failed"; readonly error: string; readonly isUserError: boolean };

const { job, lock } = workerData as WriterStart;
const port = parentPort!;
const send = (reply: WriterReply, transferred: ArrayBuffer[] = []): void =>
  port.postMessage(reply, transferred);

if (lock !== null) setInterval(() => touchLock(lock), HEARTBEAT_MS).unref();

port.on("message", (save: SaveRequest) => {
  const began = performance.now();
  const sendSaved = (path: string | null): void => {
    const seconds = (performance.now() - began) / 1000;
    const { bytes } = save;
    send({ kind: "saved", path, seconds, bytes }, [bytes.buffer as ArrayBuffer]);
  };
  saveShard(job, save, (bytes) => send({ kind: "written", bytes })).then(
    sendSaved,
    (error: unknown) =>
      send({
        kind: "failed",
        error: error instanceof Error ? error.message : String(error),
        isUserError: error instanceof Error && error.name === "UserError",
      }),
  );
});
