// Saving beside training: elements are copied, and a thread writes the copy.

import { accessSync, constants, mkdirSync } from "node:fs";
import { Worker } from "node:worker_threads";
import { UserError } from "@tessera/config";
import { writeError, type FileLock } from "@tessera/files";
import { recover } from "./folder.js";
import type { About } from "./index_format.js";
import { jobToken, lockFolder } from "./folder_lock.js";
import type { Place, Save, Slot } from "./save_shard.js";
import type { Start, Told } from "./writer_thread.js";

/** A slot, and how its elements are copied out. */
export interface Source extends Slot {
  readonly copy: (into: Float32Array) => void;
}

export interface WriterOptions extends Omit<Place, "token"> {
  /** Returns when all ranks have called it. */
  readonly barrier: () => void;
  /** Hears of what is waited for. */
  readonly say?: (text: string) => void;
}

/** What a save came to. */
export interface Saved {
  /** Of the checkpoint, on the first rank. */
  readonly path: string | null;
  readonly bytes: number;
  readonly seconds: number;
}

export interface Writer {
  /**
   * Copies the sources' elements, and has them written. One save at a time. Resolves once the checkpoint is
   * visible on the first rank, and once this rank's part is on the disk on the others. Rejects with a
   * UserError that names the file.
   */
  write(
    about: About,
    sources: readonly Source[],
    tell?: (written: number, all: number) => void,
  ): Promise<Saved>;
  close(): Promise<void>;
}

/**
 * Takes `folder`, which is made if there is none, for one job, all of whose ranks call this. Throws a UserError
 * where it cannot be written, or another job has it.
 */
export async function openWriter({ barrier, say, ...options }: WriterOptions): Promise<Writer> {
  const lock = options.rank === 0 ? await lockOf(options.folder, say ?? (() => undefined)) : null;
  barrier();
  const place: Place = { ...options, token: jobToken(options.folder) };
  const start: Start = { place, lock: lock?.descriptor ?? null };
  const program = new URL("./writer_thread.js", import.meta.url);
  const worker = new Worker(program, { workerData: start });
  worker.unref();
  let memory = new ArrayBuffer(0);
  return {
    async write(about, sources, tell = () => undefined) {
      const size = sources.reduce((sum, { piece }) => sum + 4 * piece.size, 0);
      if (memory.byteLength < size) memory = new ArrayBuffer(size);
      copyAll(sources, memory);
      const slots = sources.map(({ name, piece }) => ({ name, piece }));
      const save: Save = { about, slots, bytes: new Uint8Array(memory, 0, size) };
      worker.ref(); // the process must not end before it is written
      worker.postMessage(save, [memory]);
      try {
        const { path, bytes, seconds } = await outcome(worker, (written) => tell(written, size));
        memory = bytes.buffer as ArrayBuffer;
        return { path, bytes: size, seconds };
      } finally {
        worker.unref();
      }
    },
    async close() {
      await worker.terminate();
      lock?.release();
    },
  };
}

async function lockOf(folder: string, say: (text: string) => void): Promise<FileLock> {
  try {
    mkdirSync(folder, { recursive: true });
    accessSync(folder, constants.W_OK);
  } catch (error) {
    throw writeError(folder, error, "choose another folder");
  }
  const lock = await lockFolder(folder, say);
  recover(folder);
  return lock;
}

function copyAll(sources: readonly Source[], memory: ArrayBuffer): void {
  let at = 0;
  for (const { piece, copy } of sources) {
    copy(new Float32Array(memory, at, piece.size));
    at += 4 * piece.size;
  }
}

type Done = Extract<Told, { readonly kind: "saved" }>;

const outcome = (worker: Worker, tell: (written: number) => void): Promise<Done> =>
  new Promise((resolve, reject) => {
    const settle = (end: () => void): void => {
      worker.off("message", hear);
      worker.off("error", fail);
      end();
    };
    const fail = (error: Error): void => settle(() => reject(error));
    const hear = (context: Told): void => {
      if (context.kind === "written") tell(context.bytes);
      else if (context.kind === "saved") settle(() => resolve(context));
      else
        settle(() =>
          reject(context.isUsers ? new UserError(context.error) : new Error(context.error)),
        );
    };
    worker.on("message", hear);
    worker.on("error", fail);
  });
