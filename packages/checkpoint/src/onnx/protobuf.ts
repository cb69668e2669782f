// The wire format of protocol buffers, as much of it as ONNX needs: fields of whole numbers, of fp32, and
// of bytes, which may be text or another message. Every length is hostile until checked.

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

/** A field that was read. */
export interface Field {
  readonly number: number;
  /** Of a whole number; else 0. */
  readonly value: bigint;
  /** Of text or of a message, a view; else empty. */
  readonly bytes: Uint8Array;
}

const NONE = new Uint8Array();

/** The fields of a message in order. Throws a RangeError where the bytes are none. */
export function* fieldsOf(from: Uint8Array): Generator<Field> {
  let at = 0;
  const take = (length: number): Uint8Array => {
    if (length > from.length - at) throw new RangeError("a field goes past its message's end");
    at += length;
    return from.subarray(at - length, at);
  };
  const takeVarint = (): bigint => {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const [byte] = take(1);
      value |= BigInt(byte! & 0x7f) << shift;
      if (byte! < 0x80) return BigInt.asUintN(64, value);
    }
    throw new RangeError("a number has no end");
  };
  while (at < from.length) {
    const tag = takeVarint();
    const [number, wire] = [Number(tag >> 3n), Number(tag & 7n)];
    if (wire === VARINT) yield { number, value: takeVarint(), bytes: NONE };
    else if (wire === FIXED32) yield { number, value: 0n, bytes: take(4) };
    else if (wire === BYTES) yield { number, value: 0n, bytes: take(Number(takeVarint())) };
    else throw new RangeError(`a field is of kind ${wire}, which ONNX does not use`);
  }
}
