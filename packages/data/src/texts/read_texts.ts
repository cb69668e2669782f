// Reads files of UTF-8 text into memory, and checks them.

import { UserError } from "@tessera/config";
import { reasonOf } from "@tessera/files";
import { constants, isUtf8 } from "node:buffer";
import { readFileSync } from "node:fs";
import { TextDecoder } from "node:util";
import { findTexts, type TextFile } from "./find_texts.js";

/** The text of a file. */
export interface Text {
  readonly path: string;
  /** Size of the file. */
  readonly bytes: number;
  readonly text: string;
}

/** A file in a folder or a glob that is not text. */
export interface SkippedFile {
  readonly path: string;
  readonly reason: string;
}

/** Texts that were read. */
export interface TextCollection {
  /** Sorted by path; at least one. */
  readonly texts: readonly Text[];
  readonly skipped: readonly SkippedFile[];
  /** Size of all texts. */
  readonly bytes: number;
}

const GIB = 2 ** 30;
const TOTAL_LIMIT = 2 * GIB;
const gib = (bytes: number): string => `${(bytes / GIB).toFixed(1)} GiB`;

/** The longest JavaScript string, about 512 MiB. */
const FILE_LIMIT = constants.MAX_STRING_LENGTH;

/**
 * Reads the files that `patterns` stand for (see `findTexts`). In folders and globs, files that are empty, cannot be
 * read or are not UTF-8 are skipped and listed.
 *
 * @throws UserError for such a file if it was named, and, before it reads anything, for more than 2 GiB in all or
 * 512 MiB in a file.
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
  const reason = findFault(content);
  if (reason !== undefined) return { path, reason };
  // TextDecoder drops a byte order mark, which is not part of the text.
  return { path, bytes: content.length, text: new TextDecoder().decode(content) };
}

function findFault(content: Buffer): string | undefined {
  if (content.length === 0) return "is empty, text is needed";
  // The size of a pipe is known only now.
  if (content.length > FILE_LIMIT) return `has more than ${gib(FILE_LIMIT)}, split it`;
  if (content.includes(0)) return "is binary (it has zero bytes), plain text in UTF-8 is needed";
  if (!isUtf8(content)) return "is not UTF-8, convert it (iconv -t UTF-8) or leave it out";
  return undefined;
}
