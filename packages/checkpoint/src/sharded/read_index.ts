// Reading and checking the index of a sharded checkpoint.

import { existsSync } from "node:fs";
import { join } from "node:path";
import { UserError } from "@tessera/config";
import { parseJson, readText } from "@tessera/files";
import * as v from "valibot";
import { faultOf } from "../fault.js";
import { Index, INDEX, prefixOf, type Progress } from "./index_format.js";

/** Larger ones are refused before they are read. */
const MAX_BYTES = 256 * 2 ** 20;

/** Throws a UserError that names the file unless it is as it was written. */
export function readIndex(folder: string): Index {
  const path = join(folder, INDEX);
  if (!existsSync(path)) {
    throw new UserError(`${folder}: is no checkpoint to resume: it has no ${INDEX}`);
  }
  const text = readText(path, MAX_BYTES);
  const body = text.slice(prefixOf("").length);
  if (text !== prefixOf(body) + body) {
    throw new UserError(`${path}: is damaged: its sum is not the one it was saved with`);
  }
  const parsed = v.safeParse(Index, parseJson(`{${body}`, path), { abortEarly: true });
  if (!parsed.success) {
    throw new UserError(`${path}: is not what Tessera writes: ${faultOf(parsed.issues)}`);
  }
  checkPieces(path, parsed.output);
  return parsed.output;
}

/** What a checkpoint says of how far training was. Its other files are not looked at. */
export const readProgress = (folder: string): Progress => readIndex(folder).progress;

const sizeOf = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);

/** Every piece lies in its tensor, and in a file that there is. */
function checkPieces(path: string, { files, tensors }: Index): void {
  for (const [name, { shape, pieces }] of Object.entries(tensors)) {
    for (const { file, start, size, first, count } of pieces) {
      const isInside =
        start.length === shape.length &&
        size.length === shape.length &&
        shape.every((extent, dim) => start[dim]! + size[dim]! <= extent) &&
        first + count <= sizeOf(size);
      if (!isInside || files[file] === undefined) {
        throw new UserError(`${path}: ${name} has a piece outside of it or of all files`);
      }
    }
  }
}
