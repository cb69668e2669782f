import { describe, expect, test } from "@jest/globals";
import { formats } from "./dtype.js";

const encoded = (dtype: "F16" | "BF16", value: number): number =>
  new DataView(formats[dtype].encode(Float32Array.of(value)).buffer).getUint16(0, true);

describe("16-bit formats", () => {
  test.each(["F16", "BF16"] as const)("%s: every number that it has comes back", (dtype) => {
    const every = Uint16Array.from({ length: 2 ** 16 }, (_, i) => i);
    const values = formats[dtype].decode(new Uint8Array(every.slice().buffer));
    const again = new Uint16Array(formats[dtype].encode(values).buffer);
    const isNumber = (i: number) => !Number.isNaN(values[i]!);
    expect([...again].filter((_, i) => isNumber(i))).toEqual(
      [...every].filter((_, i) => isNumber(i)),
    );
    expect([...again].filter((word, i) => !isNumber(i) && isFinite(dtype, word))).toEqual([]);
  });

  const isFinite = (dtype: "F16" | "BF16", word: number): boolean =>
    Number.isFinite(formats[dtype].decode(new Uint8Array(Uint16Array.of(word).buffer))[0]);

  // From the definitions of the formats, by hand.
  test.each([
    ["F16", 1 + 2 ** -11, 0x3c00], // halfway, to even
    ["F16", 1 + 3 * 2 ** -11, 0x3c02],
    ["F16", 1 + 2 ** -11 + 2 ** -20, 0x3c01],
    ["F16", 65519, 0x7bff],
    ["F16", 65520, 0x7c00],
    ["F16", -Infinity, 0xfc00],
    ["F16", 2 ** -25, 0x0000], // halfway to the least
    ["F16", 1.01 * 2 ** -25, 0x0001],
    ["F16", 2 ** -14 - 2 ** -26, 0x0400], // up to the least normal one
    ["BF16", 1 + 2 ** -8, 0x3f80],
    ["BF16", 1 + 3 * 2 ** -8, 0x3f82],
    ["BF16", -3.4e38, 0xff80],
  ] as const)("%s: %s is rounded to the nearest", (dtype, value, bits) => {
    expect(encoded(dtype, value)).toBe(bits);
  });
});
