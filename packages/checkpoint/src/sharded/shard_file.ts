// One rank's file of a sharded checkpoint, written while its sums are computed.

import { open } from "node:fs/promises";
import { crc32 } from "node:zlib";
import { writeError } from "@tessera/files";
import { headerOf, type Named } from "../safetensors_writer.js";

/** How much is handed to the system at once. */
const CHUNK_BYTES = 2 ** 23;

export interface Shard {
  /** In the order in which they lie in `bytes`, without gaps. */
  readonly tensors: readonly Named[];
  readonly bytes: Uint8Array;
}

export interface WrittenShard {
  /** Of the file. */
  readonly bytes: number;
  /** The CRC-32 of each tensor. */
  readonly sums: readonly number[];
}

/** Writes the file at `path`, and waits until it is on the disk. `tell` hears of the bytes written. */
export async function writeShard(
  path: string,
  { tensors, bytes }: Shard,
  tell: (written: number) => void = () => undefined,
): Promise<WrittenShard> {
  const header = headerOf(tensors);
  const sums = summer(tensors);
  try {
    const file = await open(path, "w");
    try {
      await file.write(header, 0, header.length, 0);
      for (let done = 0; done < bytes.length; done += CHUNK_BYTES) {
        const chunk = bytes.subarray(done, done + CHUNK_BYTES);
        const written = writeAt(file, chunk, header.length + done);
        sums.add(chunk);
        await written;
        tell(done + chunk.length);
      }
      await file.sync();
    } finally {
      await file.close();
    }
  } catch (error) {
    throw writeError(path, error);
  }
  return { bytes: header.length + bytes.length, sums: sums.take() };
}

type File = Awaited<ReturnType<typeof open>>;

/** A write may end early: near the end of the disk, it writes what still fits. */
async function writeAt(file: File, chunk: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < chunk.length;) {
    const left = chunk.length - done;
    done += (await file.write(chunk, done, left, position + done)).bytesWritten;
  }
}

/** The sums of tensors whose bytes come one after another, in chunks of any size. */
function summer(tensors: readonly Named[]) {
  const sizes = tensors.map(({ shape }) => shape.reduce((a, b) => a * b, 4));
  const sums = sizes.map(() => 0);
  let [index, seen] = [0, 0];
  return {
    add(chunk: Uint8Array): void {
      for (let done = 0; done < chunk.length;) {
        const taken = Math.min(sizes[index]! - seen, chunk.length - done);
        sums[index] = crc32(chunk.subarray(done, done + taken), sums[index]);
        done += taken;
        seen += taken;
        if (seen === sizes[index]) [index, seen] = [index + 1, 0];
      }
    },
    take: (): readonly number[] => sums,
  };
}
