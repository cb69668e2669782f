// Encodes protocol buffers, as far as ONNX needs them: integers, fp32, and bytes, which may be text or a message.

/** Encoded fields, in pieces that are concatenated once. */
export type Encoded = readonly Uint8Array[];

const VARINT = 0;
const BYTES = 2;
const FIXED32 = 5;

const utf8 = new TextEncoder();

function varint(value: number | bigint): Uint8Array {
  const bytes: number[] = [];
  let left = BigInt.asUintN(64, BigInt(value));
  for (; left > 0x7fn; left >>= 7n) bytes.push(Number(left & 0x7fn) | 0x80);
  bytes.push(Number(left));
  return Uint8Array.from(bytes);
}

const key = (field: number, wire: number): Uint8Array => varint(field * 8 + wire);

export const integer = (field: number, value: number | bigint): Encoded => [
  key(field, VARINT),
  varint(value),
];

export const float = (field: number, value: number): Encoded => [
  key(field, FIXED32),
  new Uint8Array(Float32Array.of(value).buffer),
];

export const bytes = (field: number, value: Uint8Array): Encoded => [
  key(field, BYTES),
  varint(value.length),
  value,
];

export const text = (field: number, value: string): Encoded => bytes(field, utf8.encode(value));

/** A nested message. */
export function message(field: number, ...parts: readonly Encoded[]): Encoded {
  const all = parts.flat();
  const length = all.reduce((sum, part) => sum + part.length, 0);
  return [key(field, BYTES), varint(length), ...all];
}

/** The bytes of a top-level message. */
export const concat = (...parts: readonly Encoded[]): Uint8Array => Buffer.concat(parts.flat());
