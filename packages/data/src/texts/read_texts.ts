// Files of UTF-8 text into memory, checked before and while they are read.

import { UserError } from "@tessera/config";
import { reasonOf } from "@tessera/files";
import { constants, isUtf8 } from "node:buffer";
import { readFileSync } from "node:fs";
import { TextDecoder } from "node:util";
import { findTexts, type TextFile } from "./find_texts.js";

export interface Text {
  readonly path: string;
  /** Of the file. */
  readonly bytes: number;
  readonly text: string;
}

/** A file that a folder or a glob brought along and that holds no text. */
export interface SkippedFile {
  readonly path: string;
  readonly reason: string;
}

export interface TextCollection {
  /** Sorted by path; at least one. */
  readonly texts: readonly Text[];
  readonly skipped: readonly SkippedFile[];
  /** Of all texts. */
  readonly bytes: number;
}

const GIB = 2 ** 30;
const TOTAL_LIMIT = 2 * GIB;
const gib = (bytes: number): string => `${(bytes / GIB).toFixed(1)} GiB`;

/** A JavaScript string has no more characters than this, about 512 MiB. */
const FILE_LIMIT = constants.MAX_STRING_LENGTH;

/**
 * Reads all that `patterns` stand for (see `findTexts`). A file that is empty, cannot be read or
 * is not UTF-8 text is refused with a UserError if it was asked for by name, else skipped and
 * listed. Refuses more than 2 GiB in all, or 512 MiB in a file, before it reads anything.
 */
export function readTexts(patterns: readonly string[]): TextCollection {
  if (patterns.length === 0) {
    throw new UserError("no text is named: give at least one file, folder or glob");
  }
  const files = findTexts(patterns);
  checkSizes(files);
  const texts: Text[] = [];
  const skipped: SkippedFile[] = [];
  for (const file of files) {
    const read = readText(file);
    if ("text" in read) texts.push(read);
    else if (file.isNamed) throw new UserError(`${file.path}: ${read.reason}`);
    else skipped.push(read);
  }
  if (texts.length === 0) {
    const [first] = skipped;
    throw new UserError(
      `${patterns.join(" ")}: none of the ${skipped.length} files there holds text ` +
        `(${first!.path}: ${first!.reason})`,
    );
  }
  return { texts, skipped, bytes: texts.reduce((sum, { bytes }) => sum + bytes, 0) };
}

function checkSizes(files: readonly TextFile[]): void {
  const large = files.find(({ bytes }) => bytes > FILE_LIMIT);
  if (large !== undefined) {
    throw new UserError(
      `${large.path}: has ${gib(large.bytes)}, a file must not have more than ${gib(FILE_LIMIT)}, ` +
        "split it",
    );
  }
  const total = files.reduce((sum, { bytes }) => sum + bytes, 0);
  if (total > TOTAL_LIMIT) {
    throw new UserError(
      `the ${files.length} text files have ${gib(total)} in all, ` +
        `which must not be more than ${gib(TOTAL_LIMIT)}, name fewer of them`,
    );
  }
}

function readText({ path }: TextFile): Text | SkippedFile {
  let content: Buffer;
  try {
    content = readFileSync(path);
  } catch (error) {
    return { path, reason: `cannot be read (${reasonOf(error)}), check its permissions` };
  }
  const reason = faultOf(content);
  if (reason !== undefined) return { path, reason };
  // A byte order mark at the start is dropped: it says how to read the text, and is not of it.
  return { path, bytes: content.length, text: new TextDecoder().decode(content) };
}

function faultOf(content: Buffer): string | undefined {
  if (content.length === 0) return "is empty, text is needed";
  // The size of a pipe is not known before.
  if (content.length > FILE_LIMIT) return `has more than ${gib(FILE_LIMIT)}, split it`;
  if (content.includes(0)) return "is binary (it has zero bytes), plain text in UTF-8 is needed";
  if (!isUtf8(content)) return "is not UTF-8, convert it (iconv -t UTF-8) or leave it out";
  return undefined;
}
