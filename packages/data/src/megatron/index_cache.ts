// Indices on the disk: built by whichever rank comes first, while the others wait for it. The description, which
// has the checksums of the files, is written last: where it is, they all are.

import { createHash } from "node:crypto";
import { closeSync, readSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { UserError } from "@tessera/config";
import {
  hasHeartbeat,
  isRunning,
  makeFolder,
  openFile,
  readHolder,
  readJson,
  takeLock,
  touchLock,
  writeError,
  writeFileAtomic,
  type FileLock,
  type LockHolder,
} from "@tessera/files";
import type { GptIndices } from "./gpt_indices.js";
import { openNpy, writeNpy, type NpyFile } from "./npy.js";
import type { Progress } from "../progress.js";

const fileNames = {
  documentIndex: "doc_idx",
  sampleIndex: "sample_idx",
  shuffleIndex: "shuffle_idx",
} as const;

type IndexName = keyof typeof fileNames;
const indexNames = Object.keys(fileNames) as IndexName[];

/** The three indices, read from their files on access. */
export type IndexFiles = Readonly<Record<IndexName, NpyFile>> & {
  /** Of the dataset; null where it was not computed. */
  readonly largestToken: number | null;
};

export interface BuiltIndices extends GptIndices {
  readonly largestToken: number | null;
}

export interface CacheOptions {
  readonly folder: string;
  /** All that the indices are a function of: the key of the cache. */
  readonly description: string;
  readonly build: (progress: Progress) => BuiltIndices;
  readonly progress?: Progress | undefined;
  /** Skip the checksums. Default: false. */
  readonly trust?: boolean;
  /** Milliseconds without a heartbeat after which another process takes over from a builder. Default: 60,000. */
  readonly timeoutMs?: number;
}

/** Time without a heartbeat after which a builder is taken for dead. */
const TIMEOUT_MS = 60_000;

const ADVICE = "name a folder for the data's index with --data-cache-path";

/** Limit of the description with the checksums. */
const MAX_DESCRIPTION_BYTES = 2 ** 20;

/** Time between two looks at a cache that another process builds. */
const POLL_MS = 20;

/** Time between heartbeats of the builder. */
const HEARTBEAT_MS = 1000;

/** The indices from the cache, built first where they are missing, stale or damaged. */
export async function openCachedIndices(options: CacheOptions): Promise<IndexFiles> {
  const { folder, description, timeoutMs = TIMEOUT_MS } = options;
  const stem = join(folder, createHash("md5").update(description).digest("hex"));
  const lockPath = `${stem}.lock`;
  try {
    makeFolder(folder);
    for (;;) {
      const found = openIndices(stem, options);
      if (found !== undefined) {
        await removeLeftLock(lockPath);
        return found;
      }
      const lock = await takeLock(
        lockPath,
        async (holder) => !isGone(holder) && (await hasHeartbeat(lockPath, timeoutMs)),
      );
      if (lock === null) await pause(POLL_MS);
      else return buildLocked(stem, options, lock);
    }
  } catch (error) {
    throw writeError(folder, error, ADVICE);
  }
}

const isGone = (holder: LockHolder | null): boolean =>
  holder !== null && isRunning(holder) === false;

/** Removes the lock of a builder that was killed when all was written. */
async function removeLeftLock(path: string): Promise<void> {
  if (!isGone(readHolder(path))) return;
  try {
    const lock = await takeLock(path, (holder) => Promise.resolve(!isGone(holder)));
    lock?.release();
  } catch {
    // The indices are whole, and a folder that is only read may keep the lock.
  }
}

function buildLocked(stem: string, options: CacheOptions, lock: FileLock): IndexFiles {
  try {
    // Another may have finished between the look and the lock.
    const found = openIndices(stem, options);
    if (found !== undefined) return found;
    writeIndices(stem, options, lock);
    // What was just built is not built again where it cannot be read: too many files may be open.
    return readIndices(stem, options);
  } finally {
    lock.release();
  }
}

interface Description {
  readonly description: string;
  readonly checksums: Readonly<Record<IndexName, string>>;
  readonly largestToken: number | null;
}

const pathOf = (stem: string, part: IndexName): string => `${stem}_${fileNames[part]}.npy`;

function writeIndices(
  stem: string,
  { description, build, progress }: CacheOptions,
  { descriptor }: FileLock,
): void {
  let touched = performance.now();
  const heartbeat = () => {
    if (performance.now() - touched < HEARTBEAT_MS) return;
    touched = performance.now();
    touchLock(descriptor);
  };
  const indices = build((...stage) => {
    heartbeat();
    progress?.(...stage);
  });
  const checksums: Partial<Record<IndexName, string>> = {};
  for (const part of indexNames) {
    const path = pathOf(stem, part);
    writeNpy(path, indices[part], part === "sampleIndex" ? 2 : 1);
    checksums[part] = computeChecksum(path);
    heartbeat();
  }
  const { largestToken } = indices;
  writeFileAtomic(`${stem}.json`, JSON.stringify({ description, checksums, largestToken }));
}

/** The cached indices; undefined where they must be built: a bad cache of any kind is. */
function openIndices(stem: string, options: CacheOptions): IndexFiles | undefined {
  try {
    return readIndices(stem, options);
  } catch {
    return undefined;
  }
}

function readIndices(stem: string, { description, trust = false }: CacheOptions): IndexFiles {
  const opened: NpyFile[] = [];
  try {
    const known = readJson(`${stem}.json`, MAX_DESCRIPTION_BYTES) as Description;
    if (known.description !== description) throw new UserError(`${stem}.json: is of other indices`);
    const files = indexNames.map((part) => {
      const path = pathOf(stem, part);
      if (!trust && computeChecksum(path) !== known.checksums[part]) {
        throw new UserError(`${path}: is damaged`);
      }
      const file = openNpy(path);
      opened.push(file);
      return [part, file] as const;
    });
    const { largestToken } = known;
    return { ...(Object.fromEntries(files) as Record<IndexName, NpyFile>), largestToken };
  } catch (error) {
    for (const file of opened) file.close();
    throw error;
  }
}

function computeChecksum(path: string): string {
  const hash = createHash("sha256");
  const file = openFile(path);
  try {
    const buffer = Buffer.alloc(2 ** 20);
    for (let read = -1; read !== 0;) {
      read = readSync(file, buffer);
      hash.update(buffer.subarray(0, read));
    }
  } finally {
    closeSync(file);
  }
  return hash.digest("hex");
}
