// One rank's part in saving a checkpoint. Ranks meet in the file system alone, so that their threads need
// no messages while training sends its own: each leaves a list of what it wrote beside its file, and the
// first one, having found all lists, makes the checkpoint visible.

import { mkdirSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { basename, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { UserError } from "@tessera/config";
import { writeError, writeFileAtomic } from "@tessera/files";
import type { FlatRange } from "@tessera/params";
import { partialFolder, prune, publish } from "./folder.js";
import type { About, StoredPiece, StoredTensor } from "./index_format.js";
import { checkFolderLock } from "./folder_lock.js";
import { writeShard } from "./shard_file.js";
import { writeIndex } from "./write_index.js";

/** A job's hold on a folder, and what it wants of it. */
export interface Place {
  readonly folder: string;
  /** The job's own: the same on all ranks. */
  readonly token: string;
  readonly rank: number;
  readonly ranks: number;
  /** How many checkpoints stay; 0 for all. */
  readonly keep: number;
  /** How long the first rank waits for the others. */
  readonly patienceSeconds: number;
}

/** Some elements of a tensor, by its name in the checkpoint. */
export interface Slot {
  readonly name: string;
  readonly piece: Pick<FlatRange, "slice" | "sliceOffset" | "size">;
}

export interface Save {
  readonly about: About;
  readonly slots: readonly Slot[];
  /** The elements of all slots, one after another. */
  readonly bytes: Uint8Array;
}

interface Listed extends Omit<StoredPiece, "file"> {
  readonly name: string;
  readonly shape: readonly number[];
}

interface List {
  readonly bytes: number;
  readonly tensors: readonly Listed[];
}

const fileOf = (rank: number, ranks: number): string => {
  const [place, all] = [rank + 1, ranks].map((number) => String(number).padStart(5, "0"));
  return `shard-${place}-of-${all}.safetensors`;
};

const LIST = ".json";

const UNTOUCHED = "what was saved before is untouched";

/** Writes this rank's shard; on the first rank, waits for the rest. Returns the checkpoint's path there. */
export async function saveShard(
  place: Place,
  save: Save,
  tell: (written: number) => void,
): Promise<string | null> {
  const partial = partialFolder(place.folder, save.about.progress.step, place.token);
  const path = join(partial, fileOf(place.rank, place.ranks));
  try {
    mkdirSync(partial, { recursive: true });
    await writeListed(path, save, tell);
    return place.rank === 0 ? await complete(place, partial, save.about) : null;
  } catch (error) {
    // The room that it took is of use to others.
    rmSync(place.ranks === 1 ? partial : path, { recursive: true, force: true });
    throw writeError(path, error, UNTOUCHED);
  }
}

async function writeListed(
  path: string,
  { slots, bytes }: Save,
  tell: (written: number) => void,
): Promise<void> {
  const tensors = slots.map(({ name, piece }) => ({ name, shape: [piece.size] }));
  const written = await writeShard(path, { tensors, bytes }, tell);
  const list: List = {
    bytes: written.bytes,
    tensors: slots.map(({ name, piece: { slice, sliceOffset, size } }, i) => ({
      name,
      shape: slice.shape,
      start: [...slice.start],
      size: [...slice.size],
      first: sliceOffset,
      count: size,
      crc32: written.sums[i]!,
    })),
  };
  writeFileAtomic(path + LIST, JSON.stringify(list));
}

/** Waits for all ranks' lists, makes the index of them, and the checkpoint visible. */
async function complete(place: Place, partial: string, about: About): Promise<string> {
  const { folder, token, ranks, keep } = place;
  const { step } = about.progress;
  await untilListed(place, partial);
  const tensors: Record<string, StoredTensor> = {};
  const files = Array.from({ length: ranks }, (_, rank) => {
    const name = fileOf(rank, ranks);
    const list = JSON.parse(readFileSync(join(partial, name + LIST), "utf8")) as List;
    for (const { name: tensor, shape, ...piece } of list.tensors) {
      tensors[tensor] ??= { shape: [...shape], pieces: [] };
      tensors[tensor].pieces.push({ file: rank, ...piece });
    }
    rmSync(join(partial, name + LIST));
    return { name, bytes: list.bytes };
  });
  writeIndex(partial, { ...about, files, tensors });
  checkFolderLock(folder, token);
  const path = publish(folder, step, token);
  prune(folder, step, keep);
  return path;
}

const POLL_MS = 50;

async function untilListed({ ranks, patienceSeconds }: Place, partial: string): Promise<void> {
  const began = performance.now();
  for (;;) {
    const listed = new Set(readdirSync(partial).filter((name) => name.endsWith(LIST)));
    if (listed.size === ranks) return;
    if (performance.now() - began > patienceSeconds * 1000) {
      const missing = Array.from({ length: ranks }, (_, rank) => fileOf(rank, ranks)).find(
        (name) => !listed.has(name + LIST),
      );
      throw new UserError(
        `${join(partial, basename(missing!))}: was not written within ${patienceSeconds} s; ` +
          UNTOUCHED,
      );
    }
    await sleep(POLL_MS);
  }
}
