// Text and JSON from anywhere: what is larger than it can be is refused before memory is taken for it.

import { UserError } from "@tessera/config";
import { readBytes } from "./open.js";

/**
 * The text in the file at `path`, at most `maxBytes` of UTF-8, without a byte order mark.
 *
 * @throws UserError that names the file, where it cannot be read, is not a regular file, is larger, or is not UTF-8.
 */
export function readText(path: string, maxBytes: number): string {
  const bytes = readBytes(path, maxBytes);
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw new UserError(`${path}: is not UTF-8`);
  }
}

/** Far more than files have; with as many values, memory stays below that of a process. */
const MAX_DEPTH = 200;
const MAX_VALUES = 2 ** 24;
const MAX_CONTAINERS = 2 ** 22;

/**
 * The JSON value that `text`, read from `path`, says. A byte order mark is ignored.
 *
 * @throws UserError that names the file, where it is not JSON, or so nested or long that reading it is an attack.
 */
export function parseJson(text: string, path: string): unknown {
  const reason = findExcess(text);
  if (reason !== undefined) throw new UserError(`${path}: ${reason}`);
  try {
    return JSON.parse(text.startsWith("\ufeff") ? text.slice(1) : text);
  } catch {
    throw new UserError(`${path}: is not JSON`);
  }
}

/** Why no text of a usual file is like this; undefined where it may be. */
export function findExcess(text: string): string | undefined {
  let [depth, commas, containers] = [0, 0, 0];
  let isString = false;
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    if (isString) {
      if (code === 0x5c) at += 1;
      else if (code === 0x22) isString = false;
      continue;
    }
    switch (code) {
      case 0x22: // "
        isString = true;
        break;
      case 0x2c: // ,
        commas += 1;
        break;
      case 0x5b: // [
      case 0x7b: // {
        depth += 1;
        containers += 1;
        if (depth > MAX_DEPTH) return `is nested more than ${MAX_DEPTH} deep`;
        break;
      case 0x5d: // ]
      case 0x7d: // }
        depth -= 1;
        break;
      default:
    }
  }
  const isLong = commas > MAX_VALUES || containers > MAX_CONTAINERS;
  return isLong ? `has more than ${MAX_VALUES} values or ${MAX_CONTAINERS} lists` : undefined;
}

/**
 * The JSON value in the file at `path`, of at most `maxBytes`.
 *
 * @throws UserError that names the file, where it cannot be read, is larger, or is not JSON.
 */
export const readJson = (path: string, maxBytes: number): unknown =>
  parseJson(readText(path, maxBytes), path);
