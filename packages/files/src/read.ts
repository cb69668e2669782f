// Text files from anywhere: what is larger than it can be is refused before memory is taken for it.

import { closeSync, fstatSync, openSync, readFileSync } from "node:fs";
import { UserError } from "@tessera/config";
import { reasonOf } from "./reason.js";

/**
 * The text of the file at `path`, at most `maxBytes` of UTF-8.
 *
 * @throws UserError that names the file, where it cannot be read, is not a regular file, or is larger.
 */
export function readText(path: string, maxBytes: number): string {
  let descriptor: number;
  try {
    descriptor = openSync(path, "r");
  } catch (error) {
    throw new UserError(`${path}: cannot be read (${reasonOf(error)}), check the path`);
  }
  try {
    const stats = fstatSync(descriptor);
    if (!stats.isFile()) throw new UserError(`${path}: is not a regular file, check the path`);
    if (stats.size > maxBytes) {
      throw new UserError(`${path}: has ${stats.size} bytes, must have at most ${maxBytes}`);
    }
    return readFileSync(descriptor, "utf8");
  } finally {
    closeSync(descriptor);
  }
}

/**
 * The JSON value that `text`, read from `path`, says.
 *
 * @throws UserError that names the file, where it is not JSON.
 */
export function parseJson(text: string, path: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new UserError(`${path}: is not JSON`);
  }
}

/**
 * The JSON value in the file at `path`, of at most `maxBytes`.
 *
 * @throws UserError that names the file, where it cannot be read, is larger, or is not JSON.
 */
export const readJson = (path: string, maxBytes: number): unknown =>
  parseJson(readText(path, maxBytes), path);
