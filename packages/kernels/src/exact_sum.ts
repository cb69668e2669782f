// The sum of the squares of many tensors, exactly: whoever adds which of them, and in whatever order, the bits of the
// norm are the same. It travels as the bytes of a whole number, one in each element of a tensor, which ranks add up.

import { scalar, tensor1d, type Tensor } from "@tensorflow/tfjs-core";
import { expectShape, kernel, type NoAttributes } from "./kernel.js";
import type { MultiTensorKernel } from "./multi_tensor.js";

/** Bytes of an exact sum, the lowest first. An all-reduce adds those of up to 2^16 ranks exactly. */
export const EXACT_SUM_BYTES = 80;

/** What they count is this power of two. No square of fp32 has a bit below it, and all of memory none above. */
export const EXACT_SUM_UNIT = -304;

const EXPONENTS = 256;
const HALF = 2 ** 24;

/** The sum of the squares of a tensor's elements, in units; null where one is not finite. */
function sumSquares(values: Float32Array): bigint | null {
  // By exponent, the sums of both halves of squares of mantissas: exact in double for 2^29 elements.
  const high = new Float64Array(EXPONENTS);
  const low = new Float64Array(EXPONENTS);
  const words = new Uint32Array(values.buffer, values.byteOffset, values.length);
  for (const word of words) {
    const exponent = (word >>> 23) & 255;
    if (exponent === 255) return null;
    const fraction = word & 0x7fffff;
    const mantissa = exponent === 0 ? fraction : fraction + 0x800000;
    const square = mantissa * mantissa;
    const upper = Math.floor(square / HALF);
    const at = Math.max(exponent, 1);
    high[at]! += upper;
    low[at]! += square - upper * HALF;
  }
  return high.reduce((total, upper, exponent) => {
    const mantissas = BigInt(upper) * BigInt(HALF) + BigInt(low[exponent]!);
    return mantissas === 0n
      ? total
      : total + (mantissas << BigInt(2 * (exponent - 150) - EXACT_SUM_UNIT));
  }, 0n);
}

/**
 * total [EXACT_SUM_BYTES] = the exact sum of the squares of all elements of all tensors, for `roundSum`; not finite where
 * one of them is not.
 */
export const sumOfSquares: MultiTensorKernel<"xs", never, never, "total", NoAttributes> = {
  name: "TesseraSumOfSquares",
  lists: ["xs"],
  inputs: [],
  outputLists: [],
  outputs: ["total"],
  shapes: () => ({ total: [EXACT_SUM_BYTES] }),
  composite({ xs }) {
    let rest = 0n;
    for (const x of xs) {
      const squares = sumSquares(Float32Array.from(x.dataSync()));
      if (squares === null) return { total: tensor1d(new Float32Array(EXACT_SUM_BYTES).fill(NaN)) };
      rest += squares;
    }
    const bytes = Float32Array.from({ length: EXACT_SUM_BYTES }, (_, i) =>
      Number((rest >> BigInt(8 * i)) & 255n),
    );
    return { total: tensor1d(bytes) };
  },
};

/** total [] = the number that the bytes of an exact sum, or sums of such bytes, make. */
export const roundSum = kernel({
  name: "TesseraRoundSum",
  inputs: ["sum"],
  outputs: ["total"],
  shapes({ sum }) {
    expectShape("roundSum", "sum", sum, [EXACT_SUM_BYTES]);
    return { total: [] };
  },
  composite: ({ sum }: { readonly sum: Tensor }, _none: NoAttributes) => ({
    total: scalar(round(sum.dataSync())),
  }),
});

function round(bytes: ArrayLike<number>): number {
  let units = 0n;
  for (let i = EXACT_SUM_BYTES - 1; i >= 0; i -= 1) {
    if (!Number.isFinite(bytes[i])) return NaN;
    units = (units << 8n) + BigInt(bytes[i]!);
  }
  return Number(units) * 2 ** EXACT_SUM_UNIT;
}
