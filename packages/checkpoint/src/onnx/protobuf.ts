// Writing protocol buffers, as much of them as ONNX needs: fields of whole numbers, of fp32, and of bytes,
// which may be text or another message.

/** An encoded field or several, in pieces that are joined once. */
export type Encoded = readonly Uint8Array[];

const VARINT = 0;
const BYTES = 2;
const FIXED32 = 5;

const textOf = new TextEncoder();

function varint(value: number | bigint): Uint8Array {
  const bytes: number[] = [];
  let left = BigInt.asUintN(64, BigInt(value));
  for (; left > 0x7fn; left >>= 7n) bytes.push(Number(left & 0x7fn) | 0x80);
  bytes.push(Number(left));
  return Uint8Array.from(bytes);
}

const key = (field: number, wire: number): Uint8Array => varint(field * 8 + wire);

export const whole = (field: number, value: number | bigint): Encoded => [
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

export const text = (field: number, value: string): Encoded => bytes(field, textOf.encode(value));

/** A message as a field of another. */
export function message(field: number, ...parts: readonly Encoded[]): Encoded {
  const all = parts.flat();
  const length = all.reduce((sum, part) => sum + part.length, 0);
  return [key(field, BYTES), varint(length), ...all];
}

/** A message by itself. */
export const joined = (...parts: readonly Encoded[]): Uint8Array => Buffer.concat(parts.flat());
