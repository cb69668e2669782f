// Events as bytes: protocol buffers (tensorflow/core/util/event.proto, framework/summary.proto) in
// TFRecord framing.

import { crc32c } from "./crc32c.js";

/** Values by tag, at one step. */
export interface Scalars {
  /** Seconds since 1970. */
  readonly wallTime: number;
  readonly step: number;
  readonly values: Readonly<Record<string, number>>;
}

/** Wire types of protocol buffers. */
const WIRE = { varint: 0, fixed64: 1, bytes: 2, fixed32: 5 } as const;

const key = (field: number, wire: keyof typeof WIRE): Uint8Array =>
  varint((field << 3) | WIRE[wire]);

/** Seven bits a byte, lowest first; exact up to 2^53. */
function varint(value: number): Uint8Array {
  const bytes: number[] = [];
  let rest = value;
  while (rest >= 128) {
    bytes.push((rest % 128) | 128);
    rest = Math.floor(rest / 128);
  }
  return Uint8Array.from([...bytes, rest]);
}

function double(value: number): Uint8Array {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setFloat64(0, value, true);
  return bytes;
}

function float(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setFloat32(0, value, true);
  return bytes;
}

const concatBytes = (parts: readonly Uint8Array[]): Uint8Array =>
  new Uint8Array(Buffer.concat(parts));

const message = (field: number, content: Uint8Array): Uint8Array =>
  concatBytes([key(field, "bytes"), varint(content.length), content]);

const text = (field: number, content: string): Uint8Array =>
  message(field, new TextEncoder().encode(content));

const time = (wallTime: number): Uint8Array => concatBytes([key(1, "fixed64"), double(wallTime)]);

/** What every file starts with. */
export const versionEvent = (wallTime: number): Uint8Array =>
  concatBytes([time(wallTime), text(3, "brain.Event:2")]);

/** An event with the values of one step. */
export function scalarsEvent({ wallTime, step, values }: Scalars): Uint8Array {
  const summaries = Object.entries(values).map(([tag, value]) =>
    message(1, concatBytes([text(1, tag), key(2, "fixed32"), float(value)])),
  );
  return concatBytes([
    time(wallTime),
    ...(step === 0 ? [] : [key(2, "varint"), varint(step)]), // zeros are left out
    message(5, concatBytes(summaries)),
  ]);
}

/** Checksums are rotated and shifted, as checksums of data that holds checksums are weak. */
function maskedCrc(bytes: Uint8Array): Uint8Array {
  const crc = crc32c(bytes);
  const rotated = ((crc >>> 15) | (crc << 17)) >>> 0;
  const word = new Uint8Array(4);
  new DataView(word.buffer).setUint32(0, (rotated + 0xa282ead8) >>> 0, true);
  return word;
}

/** A record of a TFRecord file: length, its checksum, data, its checksum. */
export function record(data: Uint8Array): Uint8Array {
  const length = new Uint8Array(8);
  new DataView(length.buffer).setBigUint64(0, BigInt(data.length), true);
  return concatBytes([length, maskedCrc(length), data, maskedCrc(data)]);
}
