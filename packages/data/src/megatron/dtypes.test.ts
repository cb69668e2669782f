// Datasets of every type of token that Megatron writes, made byte by byte as its format says.

import { expect, test } from "@jest/globals";
import { scratchFolder } from "@tessera/testing";
import { writeFileSync } from "node:fs";
import { openIndexedDataset } from "../megatron.js";

const at = scratchFolder("dtypes");

/** Code and bytes of each type, by Megatron's table `dtypes`; and tokens that need all of them. */
const TYPES = {
  u8: [1, 1, [0, 255, 7]],
  i8: [2, 1, [0, 127, 7]],
  i16: [3, 2, [0, 32_767, 258]],
  i32: [4, 4, [0, 2_147_483_647, 65_538]],
  i64: [5, 8, [0, 2_147_483_647, 65_538]],
  u16: [8, 2, [0, 65_535, 258]],
} as const;

const writeToken = (bytes: Buffer, token: number, size: number, place: number): void => {
  if (size === 8) bytes.writeBigInt64LE(BigInt(token), place);
  else bytes.writeUIntLE(token, place, size);
};

test.each(Object.entries(TYPES))("%s", (dtype, [code, size, values]) => {
  const lengths = [4, 1, 6];
  const tokens = Array.from({ length: 11 }, (_, i) => values[(i * i) % values.length]!);
  const bin = Buffer.alloc(size * tokens.length);
  tokens.forEach((token, i) => writeToken(bin, token, size, i * size));
  writeFileSync(`${at(dtype)}.bin`, bin);

  const idx = Buffer.alloc(34 + 4 * 3 + 8 * 3 + 8 * 3);
  idx.write("MMIDIDX", "latin1");
  idx.writeBigUInt64LE(1n, 9);
  idx.writeUInt8(code, 17);
  idx.writeBigUInt64LE(3n, 18); // sequences
  idx.writeBigUInt64LE(3n, 26); // bounds of two documents
  lengths.forEach((length, i) => idx.writeInt32LE(length, 34 + 4 * i));
  [0, 4, 5].forEach((first, i) => idx.writeBigInt64LE(BigInt(first * size), 46 + 8 * i));
  [0n, 2n, 3n].forEach((bound, i) => idx.writeBigInt64LE(bound, 70 + 8 * i));
  writeFileSync(`${at(dtype)}.idx`, idx);

  for (const ending of ["", ".bin", ".idx"]) {
    const dataset = openIndexedDataset(at(dtype) + ending);
    dataset.verify();
    expect([dataset.dtype, dataset.tokenCount]).toEqual([dtype, 11]);
    expect([...dataset.bounds.slice(0, 3)]).toEqual([0, 2, 3]);
    const read = lengths.flatMap((length, sequence) => {
      const out = new Int32Array(length);
      dataset.read(sequence, 0, length, out);
      return [...out];
    });
    expect(read).toEqual(tokens);
    const two = new Int32Array(4);
    dataset.read(2, 3, 2, two, 1);
    expect([...two]).toEqual([0, ...tokens.slice(8, 10), 0]);
    expect(dataset.largestToken()).toBe(Math.max(...tokens));
    dataset.close();
  }
});
