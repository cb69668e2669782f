// numpy's .npy files of integers, version 1.0, as Megatron stores its indices.

import { closeSync, fstatSync } from "node:fs";
import { UserError } from "@tessera/config";
import { openFile, readFully, writeFileAtomic, writeFully, type OpenFile } from "@tessera/files";
import { fileArray, numberFormats, type NumberArray } from "./file_array.js";

const MAGIC = "\x93NUMPY\x01\x00";
const PREFIX_BYTES = 10;
const ALIGNMENT = 64;

const dtypes = { i32: "<i4", u32: "<u4" } as const;
type NpyLayout = keyof typeof dtypes;

/** Writes `values` [rows, columns], or [rows] for one column, atomically. */
export function writeNpy(path: string, values: Int32Array | Uint32Array, columns = 1): void {
  const layout: NpyLayout = values instanceof Int32Array ? "i32" : "u32";
  const rows = values.length / columns;
  const shape = columns === 1 ? `(${rows},)` : `(${rows}, ${columns})`;
  const text = `{'descr': '${dtypes[layout]}', 'fortran_order': False, 'shape': ${shape}, }`;
  const length = Math.ceil((PREFIX_BYTES + text.length + 1) / ALIGNMENT) * ALIGNMENT;
  const header = Buffer.alloc(length, " ");
  header.write(MAGIC, "latin1");
  header.writeUInt16LE(length - PREFIX_BYTES, 8);
  header.write(text, PREFIX_BYTES, "latin1");
  header.write("\n", length - 1, "latin1");
  writeFileAtomic(path, (file) => {
    writeFully(file, header);
    writeFully(file, values);
  });
}

export interface NpyFile {
  readonly array: NumberArray;
  close(): void;
}

/** Opens a file of `writeNpy`; two dimensions are read row by row. Throws a UserError where it is not one. */
export function openNpy(path: string): NpyFile {
  const descriptor = openFile(path);
  const close = (): void => closeSync(descriptor);
  try {
    return { array: arrayIn({ path, descriptor }), close };
  } catch (error) {
    close();
    throw error;
  }
}

function arrayIn(file: OpenFile): NumberArray {
  const { path, descriptor } = file;
  const fileBytes = fstatSync(descriptor).size;
  const damaged = new UserError(`${path}: is damaged or no .npy file of whole numbers, remove it`);
  if (fileBytes < PREFIX_BYTES) throw damaged;
  const prefix = Buffer.alloc(PREFIX_BYTES);
  readFully(file, prefix, 0);
  const headerBytes = prefix.readUInt16LE(8);
  const offset = PREFIX_BYTES + headerBytes;
  if (prefix.toString("latin1", 0, MAGIC.length) !== MAGIC || offset > fileBytes) throw damaged;
  const header = Buffer.alloc(headerBytes);
  readFully(file, header, PREFIX_BYTES);
  const [, dtype, shape] =
    /'descr': '(.*?)'.*'fortran_order': False.*'shape': \(([\d, ]+)\)/.exec(
      header.toString("latin1"),
    ) ?? [];
  const [layout] = Object.entries(dtypes).find(([, known]) => known === dtype) ?? [];
  if (layout === undefined || shape === undefined) throw damaged;
  const length = shape
    .split(",")
    .filter((side) => side.trim() !== "")
    .reduce((n, side) => n * Number(side), 1);
  if (offset + length * numberFormats[layout as NpyLayout].bytes !== fileBytes) throw damaged;
  return fileArray(file, { offset, length, format: layout as NpyLayout });
}
