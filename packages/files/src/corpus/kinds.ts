// Kinds of files that texts come in: by their endings, and by the bytes that they begin with.

import { UserError } from "@tessera/config";

/** "lines" has a JSON value in each line. */
export type CorpusKind = "text" | "lines";

/** Endings of files that are compressed, before which the ending of their content stands. */
const COMPRESSED = /\.(gz|zst|zstd)$/i;

/** Files of these endings have texts, but among much else. */
const TABLES: Readonly<Record<string, string>> = {
  parquet: "a table of Parquet",
  arrow: "a table of Arrow",
  feather: "a table of Arrow",
  csv: "a table of CSV",
  tsv: "a table of TSV",
  xlsx: "a spreadsheet",
};

/**
 * What the file of this name has, by its ending.
 *
 * @throws UserError for the ending of a table.
 */
export function kindOfCorpus(path: string): CorpusKind {
  const name = path.replace(COMPRESSED, "");
  const ending = (/\.([^./]+)$/.exec(name)?.[1] ?? "").toLowerCase();
  if (Object.hasOwn(TABLES, ending)) refuse(path, TABLES[ending]!);
  return ["jsonl", "ndjson", "json"].includes(ending) ? "lines" : "text";
}

/** How bytes are compressed. */
export type Compression = "gzip" | "zstd" | null;

const startsWith =
  (...start: readonly number[]) =>
  (bytes: Uint8Array): boolean =>
    start.every((byte, i) => bytes[i] === byte);
const startsAs = (text: string) => startsWith(...Buffer.from(text, "latin1"));

const REFUSED: readonly (readonly [isKind: (bytes: Uint8Array) => boolean, kind: string])[] = [
  [startsAs("PAR1"), "a table of Parquet"],
  [startsAs("ARROW1"), "a table of Arrow"],
  [startsAs("BZh"), "compressed by bzip2"],
  [startsWith(0xfd, 0x37, 0x7a, 0x58, 0x5a, 0), "compressed by xz"],
  [startsWith(4, 0x22, 0x4d, 0x18), "compressed by lz4"],
  [startsWith(0x50, 0x4b, 3, 4), "a ZIP archive"],
  [startsWith(0x37, 0x7a, 0xbc, 0xaf), "a 7z archive"],
  [startsAs("%PDF-"), "a PDF"],
  [startsWith(0xff, 0xfe), "UTF-16 or UTF-32"],
  [startsWith(0xfe, 0xff), "UTF-16"],
];

/**
 * How a file is compressed that begins with `bytes`.
 *
 * @throws UserError for bytes of another kind of file than text, which it names.
 */
export function detectCompression(bytes: Uint8Array, path: string): Compression {
  if (startsWith(0x1f, 0x8b)(bytes)) return "gzip";
  const isSkippable = bytes[0]! >> 4 === 5 && startsWith(0x2a, 0x4d, 0x18)(bytes.subarray(1));
  if (startsWith(0x28, 0xb5, 0x2f, 0xfd)(bytes) || isSkippable) return "zstd";
  const [, kind] = REFUSED.find(([isKind]) => isKind(bytes)) ?? [];
  if (kind !== undefined) refuse(path, kind);
  return null;
}

function refuse(path: string, kind: string): never {
  throw new UserError(
    `${path}: is ${kind}, which is not read here: convert it to JSON lines or plain text in UTF-8`,
  );
}
