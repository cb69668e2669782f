// The thread that writes while training goes on. It also keeps the lock of the folder alive, as nothing
// else that it does takes long.

import { parentPort, workerData } from "node:worker_threads";
import { touchLock } from "@tessera/files";
import { HEARTBEAT_MS } from "./folder_lock.js";
import { saveShard, type Place, type Save } from "./save_shard.js";

export interface Start {
  readonly place: Place;
  /** The lock's; null where another rank has it. */
  readonly lock: number | null;
}

export type Told =
  | { readonly kind: "written"; readonly bytes: number }
  | {
      readonly kind: "saved";
      readonly path: string | null;
      readonly seconds: number;
      readonly bytes: Uint8Array;
    }
  | { readonly kind: "failed"; readonly error: string; readonly isUsers: boolean };

const { place, lock } = workerData as Start;
const port = parentPort!;
const tell = (context: Told, moved: ArrayBuffer[] = []): void => port.postMessage(context, moved);

if (lock !== null) setInterval(() => touchLock(lock), HEARTBEAT_MS).unref();

port.on("message", (save: Save) => {
  const began = performance.now();
  const saved = (path: string | null): void => {
    const seconds = (performance.now() - began) / 1000;
    const { bytes } = save;
    tell({ kind: "saved", path, seconds, bytes }, [bytes.buffer as ArrayBuffer]);
  };
  saveShard(place, save, (bytes) => tell({ kind: "written", bytes })).then(
    saved,
    (error: unknown) =>
      tell({
        kind: "failed",
        error: error instanceof Error ? error.message : String(error),
        isUsers: error instanceof Error && error.name === "UserError",
      }),
  );
});
