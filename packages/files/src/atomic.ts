// Files and folders that appear whole or not at all. They are written under a hidden name beside their own, flushed
// to the disk and renamed; then the names in the folder are flushed too. So they survive a crash of the machine.

import {
  closeSync,
  existsSync,
  fsyncSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import { writeFully } from "./bytes.js";
import { partialPath, removePartials } from "./leftovers.js";
import { makeFolder } from "./folder.js";
import { writeError } from "./reason.js";

/** Waits until the names in `folder` are on the disk. */
export function syncFolder(folder: string): void {
  const descriptor = openSync(folder, "r");
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

/** A file that is being written. It must be committed or aborted. */
export interface AtomicFile {
  readonly descriptor: number;
  /** Appends all of `view`. Throws a UserError where it cannot be written. */
  write(view: ArrayBufferView): void;
  /** Waits until the content is on the disk, and gives the file its name in place of an older one. */
  commit(): void;
  /** Removes what was written. Does nothing after `commit`. */
  abort(): void;
}

/**
 * Starts to write the file at `path`.
 *
 * @throws UserError where the folder cannot be written.
 */
export function createFileAtomic(path: string): AtomicFile {
  removePartials(path);
  const partial = partialPath(path);
  const descriptor = attempt(path, () => openSync(partial, "w"));
  let isOpen = true;
  const close = (): void => {
    if (isOpen) closeSync(descriptor);
    isOpen = false;
  };
  return {
    descriptor,
    write: (view) => attempt(path, () => writeFully(descriptor, view)),
    commit: () =>
      attempt(path, () => {
        fsyncSync(descriptor);
        close();
        renameSync(partial, path);
        syncFolder(dirname(path));
      }),
    abort() {
      close();
      rmSync(partial, { force: true });
    },
  };
}

/**
 * Writes the file at `path`: `content`, or what a function writes to the descriptor it is given.
 *
 * @throws UserError where it cannot be written.
 */
export function writeFileAtomic(
  path: string,
  content: string | Uint8Array | ((descriptor: number) => void),
): void {
  const file = createFileAtomic(path);
  try {
    attempt(path, () => {
      if (typeof content === "function") content(file.descriptor);
      else writeFileSync(file.descriptor, content);
    });
    file.commit();
  } finally {
    file.abort();
  }
}

/** A folder that is being filled. It must be committed or aborted. */
export interface StagedFolder {
  /** The hidden folder to write into. */
  readonly path: string;
  /** Makes it `target`; where that exists already, its files replace those of the same names there. */
  commit(): void;
  /** Removes what was written. Does nothing after `commit`. */
  abort(): void;
}

/**
 * Starts to fill the folder `target`. Files must be flushed by those who write them.
 *
 * @throws UserError where it cannot be made.
 */
export function stageFolder(target: string): StagedFolder {
  const isThere = existsSync(target);
  // Inside one that exists, which may be all that can be written, or another file system than its parent.
  const inside = isThere ? join(target, basename(target)) : target;
  removePartials(inside);
  const path = partialPath(inside);
  attempt(target, () => makeFolder(path));
  const abort = (): void => rmSync(path, { recursive: true, force: true });
  return {
    path,
    abort,
    commit: () =>
      attempt(target, () => {
        syncFolder(path);
        if (!isThere) renameSync(path, target);
        else for (const name of readdirSync(path)) renameSync(join(path, name), join(target, name));
        syncFolder(isThere ? target : dirname(target));
        abort();
      }),
  };
}

function attempt<T>(path: string, write: () => T): T {
  try {
    return write();
  } catch (error) {
    throw writeError(path, error);
  }
}
