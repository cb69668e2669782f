// Saves while training goes on: elements are copied, and a thread writes the copy.

import { accessSync, constants } from "node:fs";
import { Worker } from "node:worker_threads";
import { UserError } from "@tessera/config";
import { makeFolder, writeError, type FileLock } from "@tessera/files";
import { prune, recover } from "./folder.js";
import type { CheckpointMetadata } from "./index_format.js";
import { jobToken, lockFolder } from "./folder_lock.js";
import type { JobFolder, SaveRequest, NamedRange } from "./save_shard.js";
import type { WriterStart, WriterReply } from "./writer_thread.js";

/** A range of a tensor, and how its elements are copied. */
export interface TensorSource extends NamedRange {
  readonly copy: (into: Float32Array) => void;
}

/** Where a rank saves. */
export interface CheckpointWriterOptions extends Omit<JobFolder, "token"> {
  /** How many checkpoints are kept; 0 for all. */
  readonly keep: number;
  /** Returns when all ranks have called it. */
  readonly barrier: () => void;
  /** Called with a line when the lock takes time. Default: nothing. */
  readonly log?: (text: string) => void;
}

/** The result of a save. */
export interface SaveResult {
  /** Path of the checkpoint on the first rank; null on others. */
  readonly path: string | null;
  /** Bytes that this rank wrote. */
  readonly bytes: number;
  readonly seconds: number;
}

/** Saves checkpoints to a folder, as one rank. */
export interface CheckpointWriter {
  /**
   * Copies the elements of the sources, and has the copy written; one save at a time. Resolves on the first rank when
   * the checkpoint is visible, on others when their shard is on the disk. Rejects with a UserError that names the
   * file. `report` is called with the bytes written so far, and all.
   */
  write(
    metadata: CheckpointMetadata,
    sources: readonly TensorSource[],
    report?: (written: number, all: number) => void,
  ): Promise<SaveResult>;
  /**
   * Removes older checkpoints than that at `newest`, a path in the folder, so that as many are left as are kept. Default:
   * the last that was written. Resolves when they are gone. Of interest to the first rank alone.
   */
  retain(newest?: string): Promise<void>;
  close(): Promise<void>;
}

/**
 * Takes `folder`, which is created if need be, for this job. All ranks call this together.
 *
 * @throws UserError where the folder cannot be written, or another job holds it.
 */
export async function openWriter({
  barrier,
  keep,
  log = () => undefined,
  ...options
}: CheckpointWriterOptions): Promise<CheckpointWriter> {
  const lock = options.rank === 0 ? await prepareFolder(options.folder, log) : null;
  barrier();
  const job: JobFolder = { ...options, token: jobToken(options.folder) };
  const start: WriterStart = { job, lock: lock?.descriptor ?? null };
  const program = new URL("./writer_thread.js", import.meta.url);
  const worker = new Worker(program, { workerData: start });
  worker.unref();
  let memory = new ArrayBuffer(0);
  let last: Promise<SaveResult> | undefined;
  const write: CheckpointWriter["write"] = async (metadata, sources, report = () => undefined) => {
    const size = sources.reduce((sum, { range }) => sum + 4 * range.size, 0);
    if (memory.byteLength < size) memory = new ArrayBuffer(size);
    copyAll(sources, memory);
    const ranges = sources.map(({ name, range }) => ({ name, range }));
    const save: SaveRequest = { metadata, ranges, bytes: new Uint8Array(memory, 0, size) };
    worker.ref(); // the process must not end before it is written
    worker.postMessage(save, [memory]);
    try {
      const { path, bytes, seconds } = await awaitReply(worker, (written) => report(written, size));
      memory = bytes.buffer as ArrayBuffer;
      return { path, bytes: size, seconds };
    } finally {
      worker.unref();
    }
  };
  return {
    write: (metadata, sources, report) => (last = write(metadata, sources, report)),
    async retain(newest) {
      const path = newest ?? (await last)?.path;
      if (typeof path === "string") await prune(path, keep);
    },
    async close() {
      await worker.terminate();
      lock?.release();
    },
  };
}

async function prepareFolder(folder: string, log: (text: string) => void): Promise<FileLock> {
  try {
    makeFolder(folder);
    accessSync(folder, constants.W_OK);
  } catch (error) {
    throw writeError(folder, error, "choose another folder");
  }
  const lock = await lockFolder(folder, log);
  recover(folder);
  return lock;
}

function copyAll(sources: readonly TensorSource[], memory: ArrayBuffer): void {
  let at = 0;
  for (const { range, copy } of sources) {
    copy(new Float32Array(memory, at, range.size));
    at += 4 * range.size;
  }
}

type SavedReply = Extract<WriterReply, { readonly kind: "saved" }>;

const awaitReply = (worker: Worker, report: (written: number) => void): Promise<SavedReply> =>
  new Promise((resolve, reject) => {
    const settle = (end: () => void): void => {
      worker.off("message", receive);
      worker.off("error", fail);
      end();
    };
    const fail = (error: Error): void => settle(() => reject(error));
    const receive = (reply: WriterReply): void => {
      if (reply.kind === "written") report(reply.bytes);
      else if (reply.kind === "saved") settle(() => resolve(reply));
      else
        settle(() =>
          reject(reply.isUserError ? new UserError(reply.error) : new Error(reply.error)),
        );
    };
    worker.on("message", receive);
    worker.on("error", fail);
  });
