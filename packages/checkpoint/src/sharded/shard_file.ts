// Writes the file of one rank, and computes its checksums meanwhile.

import { open } from "node:fs/promises";
import { crc32 } from "node:zlib";
import { writeError } from "@tessera/files";
import { encodeHeader, type TensorInfo } from "../safetensors_writer.js";

/** Bytes of one write. */
const CHUNK_BYTES = 2 ** 23;

/** The content of a shard. */
export interface Shard {
  /** In the order of `bytes`, without gaps. */
  readonly tensors: readonly TensorInfo[];
  readonly bytes: Uint8Array;
}

/** A shard that was written. */
export interface WrittenShard {
  /** Size of the file. */
  readonly bytes: number;
  /** The CRC-32 of each tensor. */
  readonly checksums: readonly number[];
}

/** Writes the file at `path`, and waits until it is on the disk. `report` is called with the bytes written so far. */
export async function writeShard(
  path: string,
  { tensors, bytes }: Shard,
  report: (written: number) => void = () => undefined,
): Promise<WrittenShard> {
  const header = encodeHeader(tensors);
  const sums = createChecksums(tensors);
  try {
    const file = await open(path, "w");
    try {
      await file.write(header, 0, header.length, 0);
      for (let done = 0; done < bytes.length; done += CHUNK_BYTES) {
        const chunk = bytes.subarray(done, done + CHUNK_BYTES);
        const written = writeAt(file, chunk, header.length + done);
        sums.add(chunk);
        await written;
        report(done + chunk.length);
      }
      await file.sync();
    } finally {
      await file.close();
    }
  } catch (error) {
    throw writeError(path, error);
  }
  return { bytes: header.length + bytes.length, checksums: sums.take() };
}

type File = Awaited<ReturnType<typeof open>>;

/** A write may stop early: on a disk that is nearly full, it writes what still fits. */
async function writeAt(file: File, chunk: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < chunk.length;) {
    const left = chunk.length - done;
    done += (await file.write(chunk, done, left, position + done)).bytesWritten;
  }
}

/** CRC-32 of tensors whose bytes come one after the other, in chunks of any size. */
function createChecksums(tensors: readonly TensorInfo[]) {
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
