// Indices on the disk: built by whichever rank comes first, while the others wait for it. Files are
// written under names of their own and renamed, and the description, which has their checksums, comes
// last: so whoever finds it, finds all of them.

import { createHash } from "node:crypto";
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { UserError } from "@tessera/config";
import type { GptIndices } from "./gpt_indices.js";
import { openNpy, writeNpy, type NpyFile } from "./npy.js";
import type { Progress } from "./progress.js";
import { reasonOf } from "./text_files.js";
import { partialPath } from "./write_dataset.js";

const parts = {
  documentIndex: "doc_idx",
  sampleIndex: "sample_idx",
  shuffleIndex: "shuffle_idx",
} as const;

type Part = keyof typeof parts;
const partNames = Object.keys(parts) as Part[];

/** The three indices, read where they are asked for. */
export type IndexFiles = Readonly<Record<Part, NpyFile>> & {
  /** Of the dataset; null where nobody asked for it. */
  readonly largestToken: number | null;
};

export interface BuiltIndices extends GptIndices {
  readonly largestToken: number | null;
}

export interface CacheOptions {
  readonly folder: string;
  /** Everything that the indices are a function of. */
  readonly description: string;
  readonly build: (progress: Progress) => BuiltIndices;
  readonly progress?: Progress | undefined;
  /** Whether the files are taken as they are, without their sums. */
  readonly trust?: boolean;
  /** Milliseconds in which a builder must show a sign of life before another takes over. */
  readonly patience?: number;
}

/** From one look at a lock to the next: longer each time, as thousands of ranks may look. */
const POLL_MS = { first: 20, last: 1000 } as const;
const PATIENCE_MS = 60_000;

/** The indices from the cache, built first where they are missing, stale or damaged. */
export async function cachedIndices(options: CacheOptions): Promise<IndexFiles> {
  const { folder, description, patience = PATIENCE_MS } = options;
  const name = createHash("md5").update(description).digest("hex");
  const stem = join(folder, name);
  makeFolder(folder);
  let seen = { sign: -1, since: performance.now() };
  for (let poll: number = POLL_MS.first; ; poll = Math.min(1.5 * poll, POLL_MS.last)) {
    const found = openIndices(stem, options);
    if (found !== undefined) return found;
    if (claim(`${stem}.lock`)) {
      buildClaimed(stem, options);
      continue;
    }
    const sign = statSync(`${stem}.lock`, { throwIfNoEntry: false })?.mtimeMs ?? -1;
    if (sign !== seen.sign) seen = { sign, since: performance.now() };
    // By this machine's clock alone: those of two hosts may differ.
    if (performance.now() - seen.since > patience) rmSync(`${stem}.lock`, { force: true });
    await pause(poll);
  }
}

function makeFolder(folder: string): void {
  try {
    mkdirSync(folder, { recursive: true });
  } catch (error) {
    throw cannotWrite(folder, error);
  }
}

const cannotWrite = (folder: string, error: unknown): UserError =>
  new UserError(
    `${folder}: the data's index cannot be kept there (${reasonOf(error)}), name a folder for it ` +
      "with --data-cache-path",
  );

/** Whether this process is now the one that builds. */
function claim(lock: string): boolean {
  try {
    const file = openSync(lock, "wx");
    writeFileSync(file, `${process.pid}\n`);
    closeSync(file);
    return true;
  } catch (error) {
    if (reasonOf(error) === "EEXIST") return false;
    throw cannotWrite(lock, error);
  }
}

function buildClaimed(stem: string, options: CacheOptions): void {
  try {
    // Another may have finished between the look and the claim.
    const found = openIndices(stem, options);
    if (found === undefined) buildInto(stem, options);
    else for (const part of partNames) found[part].close();
  } finally {
    rmSync(`${stem}.lock`, { force: true });
  }
}

interface Description {
  readonly description: string;
  readonly checksums: Readonly<Record<Part, string>>;
  readonly largestToken: number | null;
}

const pathOf = (stem: string, part: Part): string => `${stem}_${parts[part]}.npy`;

function buildInto(stem: string, { description, build, progress }: CacheOptions): void {
  let shown = performance.now();
  const live = () => {
    if (performance.now() - shown < 1000) return;
    shown = performance.now();
    const now = new Date();
    if (existsSync(`${stem}.lock`)) utimesSync(`${stem}.lock`, now, now);
  };
  const indices = build((...told) => {
    live();
    progress?.(...told);
  });
  const checksums: Partial<Record<Part, string>> = {};
  for (const part of partNames) {
    const temporary = partialPath(pathOf(stem, part));
    writeNpy(temporary, indices[part], part === "sampleIndex" ? 2 : 1);
    checksums[part] = checksum(temporary);
    live();
    renameSync(temporary, pathOf(stem, part));
  }
  const temporary = partialPath(`${stem}.json`);
  writeFileSync(
    temporary,
    JSON.stringify({ description, checksums, largestToken: indices.largestToken }),
  );
  renameSync(temporary, `${stem}.json`);
}

/** The indices that stand there whole; undefined where they must be built. */
function openIndices(
  stem: string,
  { description, trust = false }: CacheOptions,
): IndexFiles | undefined {
  const opened: NpyFile[] = [];
  try {
    const known = JSON.parse(readFileSync(`${stem}.json`, "utf8")) as Description;
    if (known.description !== description) return undefined;
    const files = partNames.map((part) => {
      const path = pathOf(stem, part);
      if (!trust && checksum(path) !== known.checksums[part]) throw new UserError("damaged");
      const file = openNpy(path);
      opened.push(file);
      return [part, file] as const;
    });
    const { largestToken } = known;
    return { ...(Object.fromEntries(files) as Record<Part, NpyFile>), largestToken };
  } catch {
    // Whatever is wrong with a cache, building it again mends it.
    for (const file of opened) file.close();
    return undefined;
  }
}

function checksum(path: string): string {
  const hash = createHash("sha256");
  const file = openSync(path, "r");
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
