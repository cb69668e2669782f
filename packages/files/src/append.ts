// Files that grow while they are read, such as metrics.

import { closeSync, fstatSync, ftruncateSync, openSync } from "node:fs";
import { writeFully, type OpenFile } from "./bytes.js";
import { writeError } from "./reason.js";

/**
 * Appends all of `bytes` to `file`, or nothing, as where the disk is full: half a record would spoil those that follow.
 *
 * @throws UserError where it cannot be written.
 */
export function appendWhole({ path, descriptor }: OpenFile, bytes: Uint8Array): void {
  const { size } = fstatSync(descriptor);
  try {
    writeFully(descriptor, bytes, size);
  } catch (error) {
    ftruncateSync(descriptor, size);
    throw writeError(path, error);
  }
}

/**
 * Appends `text` to the file at `path`, which is made if it is not there, or nothing.
 *
 * @throws UserError where it cannot be written.
 */
export function appendText(path: string, text: string): void {
  const descriptor = openToAppend(path);
  try {
    appendWhole({ path, descriptor }, Buffer.from(text));
  } finally {
    closeSync(descriptor);
  }
}

/**
 * The descriptor of a file that is written at its end; it is made where it is not there.
 * @throws UserError where the file cannot be opened.
 */
export function openToAppend(path: string): number {
  try {
    return openSync(path, "a");
  } catch (error) {
    throw writeError(path, error);
  }
}
