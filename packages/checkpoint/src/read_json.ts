// JSON files of known size: what is larger is refused before it is read.

import { closeSync, fstatSync, openSync, readFileSync } from "node:fs";
import { UserError } from "@tessera/config";

/** The value in the file at `path`. Throws a UserError that names it. */
export function readJson(path: string, maxBytes: number): unknown {
  const text = readText(path, maxBytes);
  try {
    return JSON.parse(text);
  } catch {
    throw new UserError(`${path}: is not JSON`);
  }
}

function readText(path: string, maxBytes: number): string {
  let descriptor: number;
  try {
    descriptor = openSync(path, "r");
  } catch (error) {
    throw new UserError(`${path}: cannot be read (${(error as NodeJS.ErrnoException).code})`);
  }
  try {
    const stats = fstatSync(descriptor);
    if (!stats.isFile()) throw new UserError(`${path}: is no file`);
    if (stats.size > maxBytes) {
      throw new UserError(`${path}: has ${stats.size} bytes, must have at most ${maxBytes}`);
    }
    return readFileSync(descriptor, "utf8");
  } finally {
    closeSync(descriptor);
  }
}
