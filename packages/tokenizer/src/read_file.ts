// Files of vocabularies as text, checked before they are read.

import { readFileSync, statSync } from "node:fs";
import { UserError } from "@tessera/config";

/** No vocabulary is near it. */
const MAX_BYTES = 256 * 2 ** 20;

export function readVocabularyFile(path: string): string {
  let bytes: Buffer;
  try {
    const { size } = statSync(path);
    if (size > MAX_BYTES) {
      throw new UserError(`${path}: has ${size} bytes, a vocabulary has at most ${MAX_BYTES}`);
    }
    bytes = readFileSync(path);
  } catch (error) {
    if (error instanceof UserError) throw error;
    throw new UserError(
      `${path}: cannot be read (${(error as NodeJS.ErrnoException).code}), check the path`,
    );
  }
  return bytes.toString("utf8");
}

export function parseJson(path: string): unknown {
  try {
    return JSON.parse(readVocabularyFile(path));
  } catch (error) {
    if (error instanceof UserError) throw error;
    throw new UserError(`${path}: is not JSON, a tokenizer's file is needed`);
  }
}
