// The safetensors format: a little-endian u64 length, that many bytes of JSON which name each
// tensor's dtype, shape and place, then the tensors' bytes. Every number in a file is hostile until
// checked against the file's size.

import { closeSync, fstatSync, fsyncSync, openSync, readSync, writeSync } from "node:fs";
import { UserError } from "@tessera/config";
import * as v from "valibot";
import { formats, type Dtype } from "./dtype.js";

/** Headers above this are refused before memory is taken for them. */
const MAX_HEADER_BYTES = 100 * 2 ** 20;

const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));

const Entry = v.object({
  dtype: v.picklist(Object.keys(formats) as Dtype[]),
  shape: v.array(count),
  data_offsets: v.tuple([count, count]),
});

type Entry = v.InferOutput<typeof Entry>;

export interface SafetensorsFile {
  readonly path: string;
  /** Names and shapes, in the order of the file. */
  readonly shapes: ReadonlyMap<string, readonly number[]>;
  readonly metadata: Readonly<Record<string, string>>;
  /** The values of one tensor, widened to fp32. Throws a UserError where there is none. */
  read(name: string): Float32Array;
  close(): void;
}

const bytesOf = ({ data_offsets: [start, end] }: Entry): number => end - start;

/** Opens a file and checks its whole header. Throws a UserError that names the file and the fault. */
export function openSafetensors(path: string): SafetensorsFile {
  const descriptor = open(path);
  try {
    const { entries, metadata, dataStart } = readHeader(path, descriptor);
    return {
      path,
      metadata,
      shapes: new Map([...entries].map(([name, { shape }]) => [name, shape])),
      read(name) {
        const entry = entries.get(name);
        if (entry === undefined) throw new UserError(`${path}: has no tensor ${name}`);
        const bytes = new Uint8Array(bytesOf(entry));
        readFully(descriptor, bytes, dataStart + entry.data_offsets[0]);
        return formats[entry.dtype].decode(bytes);
      },
      close: () => closeSync(descriptor),
    };
  } catch (error) {
    closeSync(descriptor);
    throw error;
  }
}

function open(path: string): number {
  try {
    return openSync(path, "r");
  } catch (error) {
    throw new UserError(`${path}: cannot be opened (${(error as NodeJS.ErrnoException).code})`);
  }
}

/** `readSync` may return early, and takes less than 2 GiB at a time. */
function readFully(descriptor: number, into: Uint8Array, position: number): void {
  for (let done = 0; done < into.length;) {
    const length = Math.min(into.length - done, 2 ** 30);
    const read = readSync(descriptor, into, done, length, position + done);
    if (read === 0) throw new UserError("a file became shorter while it was read");
    done += read;
  }
}

function readHeader(path: string, descriptor: number) {
  const damaged = (fault: string) =>
    new UserError(`${path}: is damaged or no safetensors file: ${fault}`);
  const fileBytes = fstatSync(descriptor).size;
  if (fileBytes < 8) throw damaged(`it has ${fileBytes} bytes`);
  const prefix = new Uint8Array(8);
  readFully(descriptor, prefix, 0);
  const headerBytes = Number(new DataView(prefix.buffer).getBigUint64(0, true));
  if (headerBytes > Math.min(MAX_HEADER_BYTES, fileBytes - 8)) {
    throw damaged(`its header claims ${headerBytes} bytes of ${fileBytes}`);
  }
  const text = new Uint8Array(headerBytes);
  readFully(descriptor, text, 8);
  const { __metadata__: metadata = {}, ...named } = parseJson(text, damaged);
  const parsed = v.safeParse(v.record(v.string(), Entry), named);
  if (!parsed.success) throw damaged(`its header ${v.summarize(parsed.issues)}`);
  const meta = v.safeParse(v.record(v.string(), v.string()), metadata);
  if (!meta.success) throw damaged("its metadata is no record of texts");
  const entries = new Map(Object.entries(parsed.output));
  const dataStart = 8 + headerBytes;
  checkPlaces(entries, fileBytes - dataStart, damaged);
  return { entries, metadata: meta.output, dataStart };
}

function parseJson(text: Uint8Array, damaged: (fault: string) => UserError) {
  try {
    const value: unknown = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(text));
    if (typeof value === "object" && value !== null) return value as Record<string, unknown>;
  } catch {
    // Falls through to the one error that says it.
  }
  throw damaged("its header is not JSON");
}

/** Each tensor has the bytes its shape needs; together they fill the file without gap or overlap. */
function checkPlaces(
  entries: ReadonlyMap<string, Entry>,
  dataBytes: number,
  damaged: (fault: string) => UserError,
): void {
  let end = 0;
  const inOrder = [...entries].sort(([, a], [, b]) => a.data_offsets[0] - b.data_offsets[0]);
  for (const [name, entry] of inOrder) {
    const needed = entry.shape.reduce((a, b) => a * b, formats[entry.dtype].bytes);
    if (entry.data_offsets[0] !== end || bytesOf(entry) !== needed) {
      throw damaged(`${name} is at bytes ${entry.data_offsets.join(" to ")}, which cannot be`);
    }
    end = entry.data_offsets[1];
  }
  if (end !== dataBytes) throw damaged(`its tensors need ${end} bytes, it has ${dataBytes}`);
}

/** A tensor to be written; its values are asked for when their turn comes. */
export interface Written {
  readonly name: string;
  readonly shape: readonly number[];
  readonly values: () => Float32Array;
}

/** Writes fp32 tensors in the order given, and waits until they are on the disk. */
export function writeSafetensors(
  path: string,
  tensors: readonly Written[],
  metadata: Readonly<Record<string, string>> = {},
): void {
  const header: Record<string, unknown> = { __metadata__: metadata };
  let end = 0;
  for (const { name, shape } of tensors) {
    const start = end;
    end += shape.reduce((a, b) => a * b, 4);
    header[name] = { dtype: "F32", shape, data_offsets: [start, end] };
  }
  const text = JSON.stringify(header);
  // Spaces bring the first tensor to a multiple of 8 bytes.
  const bytes = new TextEncoder().encode(text);
  const padded = new Uint8Array(Math.ceil(bytes.length / 8) * 8).fill(0x20);
  padded.set(bytes);
  const prefix = new DataView(new ArrayBuffer(8));
  prefix.setBigUint64(0, BigInt(padded.length), true);

  const descriptor = openSync(path, "w");
  try {
    writeFully(descriptor, new Uint8Array(prefix.buffer));
    writeFully(descriptor, padded);
    for (const { values } of tensors) {
      const { buffer, byteOffset, byteLength } = values();
      writeFully(descriptor, new Uint8Array(buffer, byteOffset, byteLength));
    }
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

function writeFully(descriptor: number, bytes: Uint8Array): void {
  for (let done = 0; done < bytes.length;) {
    done += writeSync(descriptor, bytes, done, Math.min(bytes.length - done, 2 ** 30));
  }
}
