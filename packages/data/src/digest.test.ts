import { writeFileSync } from "node:fs";
import { expect, test } from "@jest/globals";
import { scratchFolder } from "@tessera/testing";
import { digestFiles, digestTokens } from "./digest.js";

const at = scratchFolder("digest");
const BLOCK = 2 ** 16;

/** The digest of a file of `size` bytes, of which that at `changed` is another. */
function digestOf(size: number, blocks: number, changed?: number): string {
  const bytes = new Uint8Array(size);
  if (changed !== undefined) bytes[changed] = 1;
  writeFileSync(at("file"), bytes);
  return digestFiles([at("file")], blocks);
}

test("of ids, every one counts", () => {
  const ids = Uint16Array.of(1, 2, 3);
  expect(digestTokens(ids)).toBe(digestTokens(Uint16Array.of(0, 1, 2, 3).subarray(1)));
  expect(digestTokens(ids)).not.toBe(digestTokens(Uint16Array.of(1, 2, 4)));
});

test.each([0, 1, BLOCK, 3 * BLOCK + 1, 4 * BLOCK])(
  "of a small file of %i bytes, every byte counts",
  (size) => {
    const same = digestOf(size, 4);
    expect(digestOf(size, 4)).toBe(same);
    for (const at of [0, 1, Math.floor(size / 2), size - 1].filter(
      (one) => one >= 0 && one < size,
    )) {
      expect(digestOf(size, 4, at)).not.toBe(same);
    }
    expect(digestOf(size + 1, 4)).not.toBe(same);
  },
);

test("of a large file, its size, both ends and blocks between them count", () => {
  const size = 50 * BLOCK + 7;
  const same = digestOf(size, 5);
  for (const at of [0, size - 1, Math.floor((size - BLOCK) / 4) + 3]) {
    expect(digestOf(size, 5, at)).not.toBe(same);
  }
  expect(digestOf(size + 1, 5)).not.toBe(same);
});
