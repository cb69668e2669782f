// Reading and checking the index of a sharded checkpoint.

import { existsSync } from "node:fs";
import { join } from "node:path";
import { util } from "@tensorflow/tfjs-core";
import { UserError } from "@tessera/config";
import { describeIssue } from "@tessera/config/issues";
import { parseJson, readText } from "@tessera/files";
import * as v from "valibot";
import { Index, INDEX, checksumPrefix, type TrainingProgress } from "./index_format.js";

/** Larger files are refused before they are read. */
const MAX_BYTES = 256 * 2 ** 20;

/**
 * Reads and checks the index of the checkpoint in `folder`.
 *
 * @throws UserError that names the file, unless it is as it was written.
 */
export function readIndex(folder: string): Index {
  const path = join(folder, INDEX);
  if (!existsSync(path)) {
    throw new UserError(`${folder}: is no checkpoint to resume: it has no ${INDEX}`);
  }
  const text = readText(path, MAX_BYTES);
  const body = text.slice(checksumPrefix("").length);
  if (text !== checksumPrefix(body) + body) {
    throw new UserError(`${path}: is damaged: its sum is not the one it was saved with`);
  }
  const parsed = v.safeParse(Index, parseJson(`{${body}`, path), { abortEarly: true });
  if (!parsed.success) {
    throw new UserError(`${path}: is not what Tessera writes: ${describeIssue(parsed.issues)}`);
  }
  checkRanges(path, parsed.output);
  return parsed.output;
}

/**
 * How far training was when the checkpoint in `folder` was saved. Reads only its index.
 *
 * @throws UserError where there is no checkpoint, or its index is damaged.
 */
export const readProgress = (folder: string): TrainingProgress => readIndex(folder).progress;

/** Every range is within its tensor, and in a file that exists. */
function checkRanges(path: string, { files, tensors }: Index): void {
  for (const [name, { shape, pieces }] of Object.entries(tensors)) {
    for (const { file, start, size, first, count } of pieces) {
      const isInside =
        start.length === shape.length &&
        size.length === shape.length &&
        shape.every((extent, dim) => start[dim]! + size[dim]! <= extent) &&
        first + count <= util.sizeFromShape(size);
      if (!isInside || files[file] === undefined) {
        throw new UserError(`${path}: ${name} has a piece outside of it or of all files`);
      }
    }
  }
}
