// Reads scalars back from event files, as far as they were written here or by TensorBoard's simple writers.

import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import type { Scalars } from "./event.js";

/** A record's length, and a checksum of it; another checksum follows the data. */
const HEADER_BYTES = 12;
const FOOTER_BYTES = 4;
/** An event is small; what claims to be larger is damaged. */
const LARGEST_EVENT = 2 ** 24;

/** The scalars in the file at `path`, in order, up to where it was cut short or is damaged. */
export function readScalars(path: string): Scalars[] {
  const file = openSync(path, "r");
  try {
    const { size } = fstatSync(file);
    const found: Scalars[] = [];
    const header = Buffer.alloc(HEADER_BYTES);
    for (let at = 0; readSync(file, header, 0, HEADER_BYTES, at) === HEADER_BYTES;) {
      const length = Number(header.readBigUInt64LE());
      const end = at + HEADER_BYTES + length + FOOTER_BYTES;
      if (length > LARGEST_EVENT || end > size) break;
      const data = Buffer.alloc(length);
      readSync(file, data, 0, length, at + HEADER_BYTES);
      const scalars = decodeScalars(data);
      if (scalars === null) break;
      if (Object.keys(scalars.values).length > 0) found.push(scalars);
      at = end;
    }
    return found;
  } finally {
    closeSync(file);
  }
}

/** A field of a message of protocol buffers: the value of a varint, else its bytes. */
type Field = readonly [number: number, value: number | Buffer];

/** Null for what is no event. */
function decodeScalars(data: Buffer): Scalars | null {
  const fields = decodeFields(data);
  if (fields === null) return null;
  let [wallTime, step] = [0, 0];
  const values: Record<string, number> = {};
  for (const [number, value] of fields) {
    if (number === 1 && typeof value !== "number") wallTime = value.readDoubleLE();
    if (number === 2 && typeof value === "number") step = value;
    if (number === 5 && typeof value !== "number") Object.assign(values, decodeSummary(value));
  }
  return { wallTime, step, values };
}

function decodeSummary(data: Buffer): Record<string, number> {
  const entries = (decodeFields(data) ?? []).flatMap(([, one]) => {
    const fields = new Map(typeof one === "number" ? [] : decodeFields(one));
    const [tag, value] = [fields.get(1), fields.get(2)];
    return Buffer.isBuffer(tag) && Buffer.isBuffer(value) && value.length === 4
      ? [[tag.toString(), value.readFloatLE()] as const]
      : [];
  });
  return Object.fromEntries(entries);
}

/** Null where the message does not end where it should. */
function decodeFields(data: Buffer): Field[] | null {
  const fields: Field[] = [];
  let at = 0;
  const readVarint = (): number => {
    let value = 0;
    for (let scale = 1; at < data.length; scale *= 128) {
      const byte = data[at++]!;
      value += (byte & 127) * scale;
      if (byte < 128) return value;
    }
    return NaN;
  };
  while (at < data.length) {
    const key = readVarint();
    const wire = key % 8;
    const number = Math.floor(key / 8);
    if (wire === 0) fields.push([number, readVarint()]);
    else {
      const length = wire === 1 ? 8 : wire === 5 ? 4 : wire === 2 ? readVarint() : NaN;
      if (!(at + length <= data.length)) return null;
      fields.push([number, data.subarray(at, at + length)]);
      at += length;
    }
  }
  return fields;
}
