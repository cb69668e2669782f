// What is kept of a file, and what is told of long work: no more than is said.

import { expect, test } from "@jest/globals";
import { scratchFolder } from "@tessera/testing";
import { closeSync, openSync, writeFileSync } from "node:fs";
import { fileArray } from "./file_array.js";
import { mt19937, shuffle } from "./mt19937.js";

const at = scratchFolder("bounds");

test("blocks that were read are kept, up to a bound", () => {
  const BLOCK = 256;
  const MOST = 8192; // blocks: two megabytes of bytes
  const length = BLOCK * (MOST + 1);
  writeFileSync(at("bytes"), Buffer.alloc(length, 1));
  const descriptor = openSync(at("bytes"), "r+");
  const array = fileArray({ path: "bytes", descriptor }, { offset: 0, length, format: "u8" });
  const touch = (blocks: number) => {
    for (let block = 0; block < blocks; block += 1) expect(array.at(block * BLOCK)).toBe(1);
  };
  touch(MOST);
  writeFileSync(at("bytes"), Buffer.alloc(length, 2)); // seen where something is read again
  expect([array.at(0), array.at(5 * BLOCK - 1), array.at(BLOCK * MOST - 1)]).toEqual([1, 1, 1]);
  expect(array.at(BLOCK * MOST)).toBe(2); // one too many: the others go
  expect([array.at(0), array.at(BLOCK * MOST - 1)]).toEqual([2, 2]);
  closeSync(descriptor);
});

test("a shuffle tells of itself once in a million, and small ones never", () => {
  const toldOf = (length: number) => {
    const told: (readonly [number, number])[] = [];
    shuffle(new Int32Array(length), mt19937(1), (...progress) => told.push(progress));
    return told;
  };
  expect(toldOf(1000)).toEqual([]);
  const long = 2 ** 20 + 5;
  const [first, ...more] = toldOf(long);
  expect(more).toEqual([]);
  expect(first).toEqual([long - 2 ** 20, long]); // values that have their place, of all
});
