// Hostile files: whatever is in them, they are read inside their tensors or refused in a sentence.

import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { UserError } from "@tessera/config";
import { openSafetensors } from "./index.js";
import { headerOf } from "./safetensors_writer.js";

let folder: string;
let path: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "tessera-fuzz-"));
  path = join(folder, "made.safetensors");
});
afterAll(() => rmSync(folder, { recursive: true }));

/** Numbers in [0, 1), the same for the same seed. */
function drawer(seed: number): () => number {
  let state = seed;
  return () => (state = (state * 48_271) % 2_147_483_647) / 2_147_483_647;
}

const tensors = [
  { name: "a", shape: [2, 3] },
  { name: "blocks.0.weight", shape: [4] },
  { name: "scalar", shape: [] },
];

/** A whole file, whose every element is 7. */
function wholeFile(): Buffer {
  const header = headerOf(tensors, { metadata: { format: "pt" } });
  const data = new Uint8Array(new Float32Array(11).fill(7).buffer);
  return Buffer.concat([header, data]);
}

/** Pieces of headers, for mutations that JSON survives. */
const WORDS = ["[", "]", "{", "}", '"', ",", ":", "-1", "1e99", "0", "9007199254740993", "null"];
const NAMES = ["__proto__", "F16", "BF16", "I64", "../../x", "\u0000", "\ud800"];

function mutated(file: Buffer, draw: () => number): Buffer {
  const pick = (end: number): number => Math.floor(draw() * end);
  let bytes = Buffer.from(file);
  for (let change = 0; change <= pick(4); change += 1) {
    const at = pick(bytes.length);
    const kind = pick(5);
    if (kind === 0) bytes.writeUInt8(pick(256), at);
    else if (kind === 1) bytes = bytes.subarray(0, at);
    else if (kind === 2) bytes = Buffer.concat([bytes, Buffer.alloc(pick(64), pick(256))]);
    else if (kind === 3) bytes.writeUInt8(pick(256), pick(8));
    else {
      const word = [...WORDS, ...NAMES][pick(WORDS.length + NAMES.length)]!;
      bytes.write(word, 8 + pick(bytes.length - 8 - word.length), "utf8");
    }
    if (bytes.length < 40) break;
  }
  return bytes;
}

/** Reads all that a file of `size` bytes says it holds, and not a byte more. */
function readWhole(size: number): void {
  const opened = openSafetensors(path);
  try {
    let read = 0;
    for (const [name, shape] of opened.shapes) {
      const values = opened.read(name);
      expect(values).toHaveLength(shape.reduce((a, b) => a * b, 1));
      expect(() => opened.read(name, values.length, 1)).toThrow(RangeError);
      opened.sum(name);
      read += values.byteLength;
    }
    expect(read).toBeLessThanOrEqual(2 * size); // 16-bit floats are widened
  } finally {
    opened.close();
  }
}

test("10,000 mutated files are read inside their bytes, or refused by name", () => {
  const draw = drawer(11);
  const file = wholeFile();
  const ends = { read: 0, refused: 0 };
  for (let round = 0; round < 10_000; round += 1) {
    const bytes = mutated(file, draw);
    writeFileSync(path, bytes);
    try {
      readWhole(bytes.length);
      ends.read += 1;
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      expect(error.message.startsWith(path)).toBe(true);
      ends.refused += 1;
    }
  }
  expect(ends.read).toBeGreaterThan(200);
  expect(ends.refused).toBeGreaterThan(5000);
}, 120_000);

describe("refused before memory is taken:", () => {
  const withHeader = (header: string): void => {
    const prefix = Buffer.alloc(8);
    prefix.writeBigUInt64LE(BigInt(header.length));
    writeFileSync(path, Buffer.concat([prefix, Buffer.from(header)]));
  };
  const entry = (offsets: readonly number[], shape: readonly number[] = [2]) => ({
    dtype: "F32",
    shape,
    data_offsets: offsets,
  });

  test.each<[string, () => void]>([
    ["a header of more bytes than there are", () => writeFileSync(path, Buffer.alloc(16, 255))],
    ["a million nested lists", () => withHeader("[".repeat(1_000_000))],
    ["nested records of a tensor", () => withHeader(`{"a":${'{"b":'.repeat(100_000)}`)],
    [
      "tensors over one another",
      () => withHeader(JSON.stringify({ a: entry([0, 8]), b: entry([4, 12]) })),
    ],
    [
      "offsets out of the file",
      () => withHeader(JSON.stringify({ a: entry([2 ** 52, 2 ** 52 + 8]) })),
    ],
    ["offsets that go backwards", () => withHeader(JSON.stringify({ a: entry([8, 0]) }))],
    [
      "a shape that is too large for a number",
      () => withHeader(JSON.stringify({ a: entry([0, 8], [1e15, 1e15, 1e15]) })),
    ],
    ["a million tensors of nothing", () => withHeader(`{${'"a":{},'.repeat(1_000_000)}"b":{}}`)],
  ])("%s", (_what, make) => {
    make();
    expect(() => openSafetensors(path)).toThrow(UserError);
    expect(() => openSafetensors(path)).toThrow(path);
  });

  test("a header of a gigabyte", () => {
    const descriptor = openSync(path, "w");
    const prefix = Buffer.alloc(8);
    prefix.writeBigUInt64LE(2n ** 30n);
    writeSync(descriptor, prefix);
    writeSync(descriptor, Buffer.alloc(1), 0, 1, 2 ** 31); // a hole takes no room
    closeSync(descriptor);
    const before = process.memoryUsage().arrayBuffers;
    expect(() => openSafetensors(path)).toThrow(/its header claims 1073741824 bytes/);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(2 ** 20);
  });
});
