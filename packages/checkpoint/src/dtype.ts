// The floating-point formats of weights in files, to and from fp32.

export type Dtype = "F32" | "F16" | "BF16";

interface Format {
  /** Of one element. */
  readonly bytes: number;
  /** `bytes` starts a buffer of its own. */
  readonly decode: (bytes: Uint8Array) => Float32Array;
  /** Rounds to the nearest, to even where two are near; the bytes may be those of `values`. */
  readonly encode: (values: Float32Array) => Uint8Array;
}

const words = (bytes: Uint8Array): Uint16Array =>
  new Uint16Array(bytes.buffer, 0, bytes.length / 2);

const bytesOf = ({ buffer, byteOffset, byteLength }: Float32Array | Uint16Array): Uint8Array =>
  new Uint8Array(buffer, byteOffset, byteLength);

/** bfloat16 is the upper half of fp32. */
function fromBf16(bytes: Uint8Array): Float32Array {
  const out = new Uint32Array(bytes.length / 2);
  words(bytes).forEach((word, i) => (out[i] = word << 16));
  return new Float32Array(out.buffer);
}

/** IEEE 754 half precision: 1 sign bit, 5 of exponent, 10 of fraction. */
function fromF16(bytes: Uint8Array): Float32Array {
  return Float32Array.from(words(bytes), (word) => {
    const sign = word & 0x8000 ? -1 : 1;
    const exponent = (word >> 10) & 0x1f;
    const fraction = word & 0x3ff;
    if (exponent === 0) return sign * fraction * 2 ** -24;
    if (exponent === 31) return fraction === 0 ? sign * Infinity : NaN;
    return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
  });
}

const one = new Float32Array(1);
const oneBits = new Uint32Array(one.buffer);

/** The bits of fp32 `value`. */
function bitsOf(value: number): number {
  one[0] = value;
  return oneBits[0]!;
}

/** `bits` without its `count` last ones, rounded. A fraction that overflows goes on in the exponent. */
const rounded = (bits: number, count: number): number =>
  (bits + 2 ** (count - 1) - 1 + ((bits >>> count) & 1)) >>> count;

/** The bits of `value` in half precision. */
export function halfOf(value: number): number {
  const bits = bitsOf(value);
  const sign = (bits >>> 16) & 0x8000;
  const size = bits & 0x7fffffff;
  if (size > 0x7f800000) return sign | 0x7e00; // NaN
  if (size >= 0x477ff000) return sign | 0x7c00; // from 65520 on, infinity
  if (size >= 0x38800000) return sign | rounded(size - 0x38000000, 13);
  // Below 2^-14 they are multiples of 2^-24; adding 1/2 rounds to them.
  return sign | (bitsOf(Math.fround(Math.abs(value) + 0.5)) - 0x3f000000);
}

const brainHalfOf = (value: number): number => {
  const bits = bitsOf(value);
  return (bits & 0x7fffffff) > 0x7f800000 ? (bits >>> 16) | 0x40 : rounded(bits, 16);
};

export const formats: Readonly<Record<Dtype, Format>> = {
  F32: { bytes: 4, decode: (bytes) => new Float32Array(bytes.buffer), encode: bytesOf },
  F16: { bytes: 2, decode: fromF16, encode: (values) => bytesOf(Uint16Array.from(values, halfOf)) },
  BF16: {
    bytes: 2,
    decode: fromBf16,
    encode: (values) => bytesOf(Uint16Array.from(values, brainHalfOf)),
  },
};
