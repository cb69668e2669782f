// The floating-point formats of safetensors, widened to fp32.

export type Dtype = "F32" | "F16" | "BF16";

interface Decoder {
  /** Of one element. */
  readonly bytes: number;
  /** `bytes` starts a buffer of its own. */
  readonly decode: (bytes: Uint8Array) => Float32Array;
}

const words = (bytes: Uint8Array): Uint16Array =>
  new Uint16Array(bytes.buffer, 0, bytes.length / 2);

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

export const decoders: Readonly<Record<Dtype, Decoder>> = {
  F32: { bytes: 4, decode: (bytes) => new Float32Array(bytes.buffer) },
  F16: { bytes: 2, decode: fromF16 },
  BF16: { bytes: 2, decode: fromBf16 },
};
