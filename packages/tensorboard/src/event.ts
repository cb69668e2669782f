// Encodes events: protocol buffers (tensorflow/core/util/event.proto, framework/summary.proto) in TFRecord framing.

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

const encodeKey = (field: number, wire: keyof typeof WIRE): Uint8Array =>
  encodeVarint((field << 3) | WIRE[wire]);

/** 7 bits per byte, lowest first; exact up to 2^53. */
function encodeVarint(value: number): Uint8Array {
  const bytes: number[] = [];
  let rest = value;
  while (rest >= 128) {
    bytes.push((rest % 128) | 128);
    rest = Math.floor(rest / 128);
  }
  return Uint8Array.from([...bytes, rest]);
}

function encodeDouble(value: number): Uint8Array {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setFloat64(0, value, true);
  return bytes;
}

function encodeFloat(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setFloat32(0, value, true);
  return bytes;
}

const concat = (parts: readonly Uint8Array[]): Uint8Array => new Uint8Array(Buffer.concat(parts));

const encodeMessage = (field: number, content: Uint8Array): Uint8Array =>
  concat([encodeKey(field, "bytes"), encodeVarint(content.length), content]);

const encodeText = (field: number, content: string): Uint8Array =>
  encodeMessage(field, new TextEncoder().encode(content));

const encodeTime = (wallTime: number): Uint8Array =>
  concat([encodeKey(1, "fixed64"), encodeDouble(wallTime)]);

/** The first event of every file. */
export const encodeVersionEvent = (wallTime: number): Uint8Array =>
  concat([encodeTime(wallTime), encodeText(3, "brain.Event:2")]);

const encodeStep = (step: number): readonly Uint8Array[] =>
  step === 0 ? [] : [encodeKey(2, "varint"), encodeVarint(step)]; // proto3 omits zeros

/** Tells TensorBoard that a run goes on here: it forgets what earlier files of the folder have from `step` on. */
export function encodeRestartEvent(wallTime: number, step: number): Uint8Array {
  const start = concat([encodeKey(1, "varint"), encodeVarint(1)]);
  return concat([encodeTime(wallTime), ...encodeStep(step), encodeMessage(7, start)]);
}

export function encodeScalarsEvent({ wallTime, step, values }: Scalars): Uint8Array {
  const summaries = Object.entries(values).map(([tag, value]) =>
    encodeMessage(1, concat([encodeText(1, tag), encodeKey(2, "fixed32"), encodeFloat(value)])),
  );
  return concat([encodeTime(wallTime), ...encodeStep(step), encodeMessage(5, concat(summaries))]);
}

/** The CRC-32C of `bytes`, rotated and shifted as TFRecord has it: a CRC of data that contains CRCs is weak. */
function maskedCrc32c(bytes: Uint8Array): Uint8Array {
  const crc = crc32c(bytes);
  const rotated = ((crc >>> 15) | (crc << 17)) >>> 0;
  const word = new Uint8Array(4);
  new DataView(word.buffer).setUint32(0, (rotated + 0xa282ead8) >>> 0, true);
  return word;
}

/** A record of a TFRecord file: length, its checksum, data, its checksum. */
export function encodeRecord(data: Uint8Array): Uint8Array {
  const length = new Uint8Array(8);
  new DataView(length.buffer).setBigUint64(0, BigInt(data.length), true);
  return concat([length, maskedCrc32c(length), data, maskedCrc32c(data)]);
}
