// Conversion of weights in files to and from fp32.

/** Dtypes of weights, as safetensors names them. */
export type Dtype = "F32" | "F16" | "BF16";

interface DtypeFormat {
  /** Bytes of an element. */
  readonly bytes: number;
  /** `bytes` must start at offset 0 of its buffer. */
  readonly decode: (bytes: Uint8Array) => Float32Array;
  /** Rounds to nearest even. The result may share memory with `values`. */
  readonly encode: (values: Float32Array) => Uint8Array;
}

const asUint16 = (bytes: Uint8Array): Uint16Array =>
  new Uint16Array(bytes.buffer, 0, bytes.length / 2);

const asBytes = ({ buffer, byteOffset, byteLength }: Float32Array | Uint16Array): Uint8Array =>
  new Uint8Array(buffer, byteOffset, byteLength);

/** bfloat16 is the upper half of fp32. */
function fromBf16(bytes: Uint8Array): Float32Array {
  const out = new Uint32Array(bytes.length / 2);
  asUint16(bytes).forEach((word, i) => (out[i] = word << 16));
  return new Float32Array(out.buffer);
}

/** IEEE 754 half precision: 1 sign bit, 5 of exponent, 10 of fraction. */
function fromF16(bytes: Uint8Array): Float32Array {
  return Float32Array.from(asUint16(bytes), (word) => {
    const sign = word & 0x8000 ? -1 : 1;
    const exponent = (word >> 10) & 0x1f;
    const fraction = word & 0x3ff;
    if (exponent === 0) return sign * fraction * 2 ** -24;
    if (exponent === 31) return fraction === 0 ? sign * Infinity : NaN;
    return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
  });
}

const fp32Scratch = new Float32Array(1);
const fp32ScratchBits = new Uint32Array(fp32Scratch.buffer);

/** The bits of fp32 `value`. */
function fp32Bits(value: number): number {
  fp32Scratch[0] = value;
  return fp32ScratchBits[0]!;
}

/** `bits` without the last `count`, rounded to nearest even. A mantissa that overflows carries into the exponent. */
const roundBits = (bits: number, count: number): number =>
  (bits + 2 ** (count - 1) - 1 + ((bits >>> count) & 1)) >>> count;

/** The bits of `value` in fp16. */
export function toFp16Bits(value: number): number {
  const bits = fp32Bits(value);
  const sign = (bits >>> 16) & 0x8000;
  const size = bits & 0x7fffffff;
  if (size > 0x7f800000) return sign | 0x7e00; // NaN
  if (size >= 0x477ff000) return sign | 0x7c00; // from 65520 on, infinity
  if (size >= 0x38800000) return sign | roundBits(size - 0x38000000, 13);
  // Subnormals are multiples of 2^-24; adding 1/2 rounds to them.
  return sign | (fp32Bits(Math.fround(Math.abs(value) + 0.5)) - 0x3f000000);
}

const toBf16Bits = (value: number): number => {
  const bits = fp32Bits(value);
  return (bits & 0x7fffffff) > 0x7f800000 ? (bits >>> 16) | 0x40 : roundBits(bits, 16);
};

export const formats: Readonly<Record<Dtype, DtypeFormat>> = {
  F32: { bytes: 4, decode: (bytes) => new Float32Array(bytes.buffer), encode: asBytes },
  F16: {
    bytes: 2,
    decode: fromF16,
    encode: (values) => asBytes(Uint16Array.from(values, toFp16Bits)),
  },
  BF16: {
    bytes: 2,
    decode: fromBf16,
    encode: (values) => asBytes(Uint16Array.from(values, toBf16Bits)),
  },
};
