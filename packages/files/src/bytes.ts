// Reads and writes of any size. The system's calls may stop early, and take less than 2 GiB at a time.

import { readSync, writeSync } from "node:fs";
import { UserError } from "@tessera/config";

const MAX_CALL_BYTES = 2 ** 30;

/** Writes all of `view`, from byte `position` of the file on. Default: where the last write ended. */
export function writeFully(descriptor: number, view: ArrayBufferView, position?: number): void {
  const bytes = new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
  for (let done = 0; done < bytes.length;) {
    const length = Math.min(bytes.length - done, MAX_CALL_BYTES);
    done += writeSync(
      descriptor,
      bytes,
      done,
      length,
      position === undefined ? null : position + done,
    );
  }
}

/** An open file, and its path for error messages. */
export interface OpenFile {
  readonly path: string;
  readonly descriptor: number;
}

/**
 * Fills `into` with the bytes from `position` on.
 *
 * @throws UserError where the file ends before.
 */
export function readFully(
  { path, descriptor }: OpenFile,
  into: Uint8Array,
  position: number,
): void {
  for (let done = 0; done < into.length;) {
    const length = Math.min(into.length - done, MAX_CALL_BYTES);
    const read = readSync(descriptor, into, done, length, position + done);
    if (read === 0) throw new UserError(`${path}: became shorter while it was read`);
    done += read;
  }
}
