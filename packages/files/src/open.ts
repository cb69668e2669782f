// Opening files from anywhere. A path can lead to what never ends or never begins: a device, or a pipe that nobody
// writes. Links are followed, as caches of models are made of them.

import { closeSync, constants, fstatSync, openSync, readSync } from "node:fs";
import { UserError } from "@tessera/config";
import { reasonOf } from "./reason.js";

/** Whether `path` is a descriptor of this process, such as bash's `<(zcat text.gz)`: these are open already. */
export const isOwnDescriptor = (path: string): boolean =>
  /^\/(dev\/fd\/\d+|proc\/self\/fd\/\d+|dev\/stdin)$/.test(path);

/**
 * Opens the regular file at `path`; with `pipes` also a pipe that this process was given.
 *
 * @throws UserError that names the file, where it cannot be read or is of another kind.
 */
export function openFile(path: string, pipes = false): number {
  const isOwn = pipes && isOwnDescriptor(path);
  let descriptor: number;
  try {
    // Without waiting for somebody who writes into a pipe.
    descriptor = openSync(path, constants.O_RDONLY | (isOwn ? 0 : constants.O_NONBLOCK));
  } catch (error) {
    throw new UserError(`${path}: cannot be read (${reasonOf(error)}), check the path`);
  }
  const stats = fstatSync(descriptor);
  if (stats.isFile() || (isOwn && stats.isFIFO())) return descriptor;
  closeSync(descriptor);
  const kind = stats.isDirectory() ? "is a folder" : "is not a regular file";
  throw new UserError(`${path}: ${kind}, check the path`);
}

/**
 * Reads the file at `path`, which may have at most `maxBytes`.
 *
 * @throws UserError that names the file, where it cannot be read, is not a regular file, or is larger.
 */
export function readBytes(path: string, maxBytes: number): Buffer {
  const descriptor = openFile(path);
  try {
    const { size } = fstatSync(descriptor);
    if (size > maxBytes) {
      throw new UserError(`${path}: has ${size} bytes, must have at most ${maxBytes}`);
    }
    // Files of /proc say that they have no bytes.
    let bytes = Buffer.allocUnsafe(size + 1);
    let length = 0;
    for (;;) {
      const read = readSync(descriptor, bytes, length, bytes.length - length, null);
      if (read === 0) return bytes.subarray(0, length);
      length += read;
      if (length > maxBytes) {
        throw new UserError(`${path}: has more than ${maxBytes} bytes, the most that it may have`);
      }
      if (length === bytes.length) bytes = Buffer.concat([bytes], 2 * length + 4096);
    }
  } catch (error) {
    if (error instanceof UserError) throw error;
    throw new UserError(`${path}: cannot be read (${reasonOf(error)})`);
  } finally {
    closeSync(descriptor);
  }
}
