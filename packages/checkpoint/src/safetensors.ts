// The safetensors format: a little-endian u64 length, that many bytes of JSON with the dtype, shape and offsets of each
// tensor, then the bytes of the tensors. No number in a file is trusted before it is checked against its size.

import { closeSync, fstatSync } from "node:fs";
import { crc32 } from "node:zlib";
import { UserError } from "@tessera/config";
import { describeIssue } from "@tessera/config/issues";
import { openFile, readFully } from "@tessera/files";
import * as v from "valibot";
import { formats, type Dtype } from "./dtype.js";

/** Larger headers are refused before memory is taken for them; this is enough for 100,000 tensors. */
const MAX_HEADER_BYTES = 16 * 2 ** 20;

/** How the text begins that Git LFS has in the place of a file: `version https://git-lfs...`. */
const LFS_POINTER = "version ";

/** The header is an object of objects with arrays. */
const MAX_DEPTH = 3;

/** Bytes that are read at once for a checksum. */
const CHECKSUM_CHUNK_BYTES = 2 ** 22;

const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));

/** Bytes of an element of dtypes that are allowed beside weights, and are not read. */
const OTHERS = { F64: 8, I64: 8, U64: 8, I32: 4, U32: 4, I16: 2, U16: 2, I8: 1, U8: 1, BOOL: 1 };

const isWeight = (dtype: Entry["dtype"]): dtype is Dtype => dtype in formats;

const elementBytes = (dtype: Entry["dtype"]): number =>
  isWeight(dtype) ? formats[dtype].bytes : OTHERS[dtype];

const dtypes = [...Object.keys(formats), ...Object.keys(OTHERS)] as (Dtype | keyof typeof OTHERS)[];

const Entry = v.object({
  dtype: v.picklist(dtypes),
  shape: v.array(count),
  data_offsets: v.tuple([count, count]),
});

type Entry = v.InferOutput<typeof Entry>;

/** An open file. */
export interface SafetensorsFile {
  readonly path: string;
  /** Names and shapes, in the order of the file. */
  readonly shapes: ReadonlyMap<string, readonly number[]>;
  /** The strings of the header's `__metadata__`; empty where there is none. */
  readonly metadata: Readonly<Record<string, string>>;
  /**
   * `size` values of a tensor, from `first` on, as fp32. Default: all.
   *
   * @throws UserError where the file has no such tensor, or it has another dtype.
   */
  read(name: string, first?: number, size?: number): Float32Array;
  /** The CRC-32 of the bytes of a tensor. */
  checksum(name: string): number;
  close(): void;
}

const byteLength = ({ data_offsets: [start, end] }: Entry): number => end - start;

/**
 * Opens a file, and checks its header.
 *
 * @throws UserError that names the file and what is wrong with it.
 */
export function openSafetensors(path: string): SafetensorsFile {
  const descriptor = openFile(path);
  try {
    const { entries, metadata, dataStart } = readHeader(path, descriptor);
    const entryOf = (name: string): Entry => {
      const entry = entries.get(name);
      if (entry === undefined) throw new UserError(`${path}: has no tensor ${name}`);
      return entry;
    };
    const readAt = (into: Uint8Array, { data_offsets: [start, end] }: Entry, skipped: number) => {
      if (start + skipped + into.length > end) throw new RangeError("a read beyond a tensor's end");
      readFully({ path, descriptor }, into, dataStart + start + skipped);
    };
    return {
      path,
      metadata,
      shapes: new Map([...entries].map(([name, { shape }]) => [name, shape])),
      read(name, first = 0, size) {
        const entry = entryOf(name);
        if (!isWeight(entry.dtype)) {
          throw new UserError(`${path}: ${name} is ${entry.dtype}, weights are F32, F16 or BF16`);
        }
        const { bytes: each, decode } = formats[entry.dtype];
        const bytes = new Uint8Array(size === undefined ? byteLength(entry) : size * each);
        readAt(bytes, entry, first * each);
        return decode(bytes);
      },
      checksum(name) {
        const entry = entryOf(name);
        const piece = new Uint8Array(Math.min(CHECKSUM_CHUNK_BYTES, byteLength(entry)));
        let sum = 0;
        for (let done = 0; done < byteLength(entry); done += piece.length) {
          const some = piece.subarray(0, byteLength(entry) - done);
          readAt(some, entry, done);
          sum = crc32(some, sum);
        }
        return sum;
      },
      close: () => closeSync(descriptor),
    };
  } catch (error) {
    closeSync(descriptor);
    throw error;
  }
}

function readHeader(path: string, descriptor: number) {
  const damaged = (fault: string) =>
    new UserError(`${path}: is damaged or no safetensors file: ${fault}`);
  const fileBytes = fstatSync(descriptor).size;
  if (fileBytes < 8) throw damaged(`it has ${fileBytes} bytes`);
  const prefix = new Uint8Array(8);
  const opened = { path, descriptor };
  readFully(opened, prefix, 0);
  if (new TextDecoder().decode(prefix) === LFS_POINTER) {
    throw new UserError(
      `${path}: is a pointer of Git LFS to the weights; git lfs pull fetches them`,
    );
  }
  const headerBytes = Number(new DataView(prefix.buffer).getBigUint64(0, true));
  if (headerBytes > Math.min(MAX_HEADER_BYTES, fileBytes - 8)) {
    throw damaged(`its header claims ${headerBytes} bytes of ${fileBytes}`);
  }
  const text = new Uint8Array(headerBytes);
  readFully(opened, text, 8);
  if (nestingDepth(text) > MAX_DEPTH) throw damaged("its header nests too deep");
  const { __metadata__: metadata = {}, ...named } = parseJson(text, damaged);
  const parsed = v.safeParse(v.record(v.string(), Entry), named, { abortEarly: true });
  if (!parsed.success) throw damaged(`its header has ${describeIssue(parsed.issues)}`);
  const meta = v.safeParse(v.record(v.string(), v.string()), metadata, { abortEarly: true });
  if (!meta.success) throw damaged("its metadata is no record of texts");
  const entries = new Map(Object.entries(parsed.output));
  const dataStart = 8 + headerBytes;
  checkOffsets(entries, fileBytes - dataStart, damaged);
  return { entries, metadata: meta.output, dataStart };
}

/** The nesting depth of JSON text, without a parser, which would take memory for every level. */
function nestingDepth(text: Uint8Array): number {
  const [quote, escape] = [0x22, 0x5c];
  let [depth, deepest, isText] = [0, 0, false];
  for (let i = 0; i < text.length; i += 1) {
    const byte = text[i]!;
    if (byte === quote) isText = !isText;
    else if (isText) i += byte === escape ? 1 : 0;
    else if (byte === 0x7b || byte === 0x5b) deepest = Math.max(deepest, (depth += 1));
    else if (byte === 0x7d || byte === 0x5d) depth -= 1;
  }
  return deepest;
}

function parseJson(text: Uint8Array, damaged: (fault: string) => UserError) {
  try {
    const value: unknown = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(text));
    if (typeof value === "object" && value !== null) return value as Record<string, unknown>;
  } catch {
    // Falls through to the error below.
  }
  throw damaged("its header is not JSON");
}

/** Checks that each tensor has the bytes of its shape, and that they fill the file without gaps or overlaps. */
function checkOffsets(
  entries: ReadonlyMap<string, Entry>,
  dataBytes: number,
  damaged: (fault: string) => UserError,
): void {
  let end = 0;
  const inOrder = [...entries].sort(([, a], [, b]) => a.data_offsets[0] - b.data_offsets[0]);
  for (const [name, entry] of inOrder) {
    const needed = entry.shape.reduce((a, b) => a * b, elementBytes(entry.dtype));
    if (entry.data_offsets[0] !== end || byteLength(entry) !== needed) {
      throw damaged(`${name} is at bytes ${entry.data_offsets.join(" to ")}, which cannot be`);
    }
    end = entry.data_offsets[1];
  }
  if (end !== dataBytes) throw damaged(`its tensors need ${end} bytes, it has ${dataBytes}`);
}
