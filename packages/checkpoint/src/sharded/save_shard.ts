// Saves the shard of one rank. Ranks synchronize through the file system alone, so that their threads need no messages
// while training sends its own: each writes a manifest beside its shard, and the first rank makes the checkpoint
// visible when all manifests are there.

import { mkdirSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { basename, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { UserError } from "@tessera/config";
import { writeError, writeFileAtomic } from "@tessera/files";
import type { FlatRange } from "@tessera/params";
import { partialFolder, publish } from "./folder.js";
import type { CheckpointMetadata, StoredRange, StoredTensor } from "./index_format.js";
import { checkFolderLock } from "./folder_lock.js";
import { writeShard } from "./shard_file.js";
import { writeIndex } from "./write_index.js";

/** A folder that a job holds, and how it saves there. */
export interface JobFolder {
  readonly folder: string;
  /** Of the lock; the same on all ranks. */
  readonly token: string;
  readonly rank: number;
  readonly ranks: number;
  /** How long the first rank waits for the shards of the others. */
  readonly timeoutSeconds: number;
}

/** Some elements of a tensor, by its name in the checkpoint. */
export interface NamedRange {
  readonly name: string;
  readonly range: Pick<FlatRange, "slice" | "sliceOffset" | "size">;
}

/** What one rank saves. */
export interface SaveRequest {
  readonly metadata: CheckpointMetadata;
  readonly ranges: readonly NamedRange[];
  /** The elements of all ranges, one after the other. */
  readonly bytes: Uint8Array;
}

interface ManifestEntry extends Omit<StoredRange, "file"> {
  readonly name: string;
  readonly shape: readonly number[];
}

/** What a rank has written. */
interface Manifest {
  readonly bytes: number;
  readonly tensors: readonly ManifestEntry[];
}

const shardName = (rank: number, ranks: number): string => {
  const [number, all] = [rank + 1, ranks].map((value) => String(value).padStart(5, "0"));
  return `shard-${number}-of-${all}.safetensors`;
};

const MANIFEST_ENDING = ".json";

const UNTOUCHED = "what was saved before is untouched";

/** Writes the shard of this rank. The first rank waits for the others, and returns the path of the checkpoint. */
export async function saveShard(
  job: JobFolder,
  save: SaveRequest,
  report: (written: number) => void,
): Promise<string | null> {
  const partial = partialFolder(job.folder, save.metadata.progress.step, job.token);
  const path = join(partial, shardName(job.rank, job.ranks));
  try {
    mkdirSync(partial, { recursive: true });
    await writeShardAndManifest(path, save, report);
    return job.rank === 0 ? await publishAll(job, partial, save.metadata) : null;
  } catch (error) {
    // Frees the disk space.
    rmSync(job.ranks === 1 ? partial : path, { recursive: true, force: true });
    throw writeError(path, error, UNTOUCHED);
  }
}

async function writeShardAndManifest(
  path: string,
  { ranges, bytes }: SaveRequest,
  report: (written: number) => void,
): Promise<void> {
  const tensors = ranges.map(({ name, range }) => ({ name, shape: [range.size] }));
  const written = await writeShard(path, { tensors, bytes }, report);
  const manifest: Manifest = {
    bytes: written.bytes,
    tensors: ranges.map(({ name, range: { slice, sliceOffset, size } }, i) => ({
      name,
      shape: slice.shape,
      start: [...slice.start],
      size: [...slice.size],
      first: sliceOffset,
      count: size,
      crc32: written.checksums[i]!,
    })),
  };
  writeFileAtomic(path + MANIFEST_ENDING, JSON.stringify(manifest));
}

/** Waits for the manifests of all ranks, writes the index, and makes the checkpoint visible. */
async function publishAll(
  job: JobFolder,
  partial: string,
  metadata: CheckpointMetadata,
): Promise<string> {
  const { folder, token, ranks } = job;
  const { step } = metadata.progress;
  await awaitManifests(job, partial);
  const tensors: Record<string, StoredTensor> = {};
  const files = Array.from({ length: ranks }, (_, rank) => {
    const name = shardName(rank, ranks);
    const manifest = JSON.parse(
      readFileSync(join(partial, name + MANIFEST_ENDING), "utf8"),
    ) as Manifest;
    for (const { name: tensor, shape, ...range } of manifest.tensors) {
      tensors[tensor] ??= { shape: [...shape], pieces: [] };
      tensors[tensor].pieces.push({ file: rank, ...range });
    }
    rmSync(join(partial, name + MANIFEST_ENDING));
    return { name, bytes: manifest.bytes };
  });
  writeIndex(partial, { ...metadata, files, tensors });
  checkFolderLock(folder, token);
  return publish(folder, step, token);
}

const POLL_MS = 50;

async function awaitManifests(
  { ranks, timeoutSeconds }: JobFolder,
  partial: string,
): Promise<void> {
  const began = performance.now();
  for (;;) {
    const listed = new Set(readdirSync(partial).filter((name) => name.endsWith(MANIFEST_ENDING)));
    if (listed.size === ranks) return;
    if (performance.now() - began > timeoutSeconds * 1000) {
      const missing = Array.from({ length: ranks }, (_, rank) => shardName(rank, ranks)).find(
        (name) => !listed.has(name + MANIFEST_ENDING),
      );
      throw new UserError(
        `${join(partial, basename(missing!))}: was not written within ${timeoutSeconds} s; ` +
          UNTOUCHED,
      );
    }
    await sleep(POLL_MS);
  }
}
