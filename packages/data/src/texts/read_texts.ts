// Reads files of text into memory, and checks them.

import { constants } from "node:buffer";
import { UserError } from "@tessera/config";
import { findFault, kindOfCorpus, parseDocument, readBlocks } from "@tessera/files/corpus";
import { findTexts, type TextFile } from "./find_texts.js";

/** A document: the text of a file, or of a line of JSON. */
export interface Text {
  readonly path: string;
  readonly text: string;
}

/** A file in a folder or a glob that is not text. */
export interface SkippedFile {
  readonly path: string;
  readonly reason: string;
}

/** Texts that were read. */
export interface TextCollection {
  /** In the order of their files, which are sorted by path; at least one. */
  readonly texts: readonly Text[];
  /** How many files they are from. */
  readonly files: number;
  readonly skipped: readonly SkippedFile[];
  /** Size of all texts, in bytes of UTF-8. */
  readonly bytes: number;
}

const GIB = 2 ** 30;
const TOTAL_LIMIT = 2 * GIB;
const gib = (bytes: number): string => `${(bytes / GIB).toFixed(1)} GiB`;

/** The longest JavaScript string, about 512 MiB. */
const FILE_LIMIT = constants.MAX_STRING_LENGTH;

/**
 * Reads the files that `patterns` stand for (see `findTexts`). A file that ends in .jsonl, .ndjson or .json has a
 * document per line, an object with a "text"; any other is one. In folders and globs, files that are empty, cannot be
 * read or hold no text are skipped and listed.
 *
 * @throws UserError for such a file if it was named, and for more than 2 GiB in all or 512 MiB in a file.
 */
export async function readTexts(patterns: readonly string[]): Promise<TextCollection> {
  if (patterns.length === 0) {
    throw new UserError("no text is named: give at least one file, folder or glob");
  }
  const files = findTexts(patterns);
  checkSizes(files);
  const texts: Text[] = [];
  const skipped: SkippedFile[] = [];
  let bytes = 0;
  for (const { path, isNamed } of files) {
    try {
      const content = await readContent(path);
      for (const text of documentsIn(content, path)) texts.push({ path, text });
      bytes += content.length;
    } catch (error) {
      if (isNamed || !(error instanceof UserError)) throw error;
      skipped.push({ path, reason: error.message.replace(`${path}: `, "") });
    }
    checkTotal(bytes, files.length);
  }
  if (texts.length === 0) {
    const [first] = skipped;
    throw new UserError(
      `${patterns.join(" ")}: none of the ${skipped.length} files there holds text ` +
        `(${first!.path}: ${first!.reason})`,
    );
  }
  return { texts, files: files.length - skipped.length, skipped, bytes };
}

function checkSizes(files: readonly TextFile[]): void {
  const large = files.find(({ bytes }) => bytes > FILE_LIMIT);
  if (large !== undefined) {
    throw new UserError(
      `${large.path}: has ${gib(large.bytes)}, a file must not have more than ${gib(FILE_LIMIT)}, ` +
        "split it",
    );
  }
  checkTotal(
    files.reduce((sum, { bytes }) => sum + bytes, 0),
    files.length,
  );
}

function checkTotal(bytes: number, files: number): void {
  if (bytes <= TOTAL_LIMIT) return;
  throw new UserError(
    `the ${files} text files have ${gib(bytes)} in all, ` +
      `which must not be more than ${gib(TOTAL_LIMIT)}, name fewer of them`,
  );
}

/** All of a file's text. Throws a UserError where it has none, or more than a string holds. */
async function readContent(path: string): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const { bytes } of readBlocks(path)) {
    parts.push(bytes);
    length += bytes.length;
    // The size of a pipe, and of what is compressed, is known only now.
    if (length > FILE_LIMIT) {
      throw new UserError(`${path}: has more than ${gib(FILE_LIMIT)} of text, split it`);
    }
  }
  const content = Buffer.concat(parts, length);
  const fault = length === 0 ? "is empty, text is needed" : findFault(content);
  if (fault !== undefined) throw new UserError(`${path}: ${fault}`);
  return content;
}

function documentsIn(content: Buffer, path: string): readonly string[] {
  const text = content.toString("utf8");
  if (kindOfCorpus(path) === "text") return [text];
  const documents = text.split("\n").flatMap((line, i) => {
    if (line.trim() === "") return [];
    const found = parseDocument(line, ["text"]);
    if (typeof found !== "string") return found;
    throw new UserError(`${path}: line ${i + 1} ${found}`);
  });
  if (documents.length === 0) throw new UserError(`${path}: is empty, text is needed`);
  return documents;
}
