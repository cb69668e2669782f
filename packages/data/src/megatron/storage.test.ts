// Numbers and datasets in files: what is written is read, at the borders of every buffer.

import { describe, expect, test } from "@jest/globals";
import { scratchFolder, seededRandom } from "@tessera/testing";
import { closeSync, openSync, readFileSync, writeFileSync } from "node:fs";
import { fileArray, readChunks, type NumberFormat } from "./file_array.js";
import { createIntList } from "./int_list.js";
import { createDatasetWriter, openIndexedDataset, tokenDtype } from "../megatron.js";
import { openNpy, writeNpy } from "./npy.js";

const at = scratchFolder("storage");

/** By itself, as Jest looks at each of many numbers for long. */
const isSame = (actual: ArrayLike<number>, expected: ArrayLike<number>): boolean =>
  Buffer.from(Float64Array.from(actual).buffer).equals(
    Buffer.from(Float64Array.from(expected).buffer),
  );

/** Numbers of `count` bytes each that need all of them, by node's own writers. */
const WRITERS: Readonly<
  Record<
    NumberFormat,
    { bytes: number; values: number[]; write: (b: Buffer, x: number, at: number) => number }
  >
> = {
  u8: { bytes: 1, values: [0, 1, 255], write: (b, x, i) => b.writeUInt8(x, i) },
  i8: { bytes: 1, values: [0, -1, 127, -128], write: (b, x, i) => b.writeInt8(x, i) },
  u16: { bytes: 2, values: [0, 1, 65_535], write: (b, x, i) => b.writeUInt16LE(x, i) },
  i16: { bytes: 2, values: [0, -1, 32_767, -32_768], write: (b, x, i) => b.writeInt16LE(x, i) },
  u32: { bytes: 4, values: [0, 1, 2 ** 32 - 1], write: (b, x, i) => b.writeUInt32LE(x, i) },
  i32: {
    bytes: 4,
    values: [0, -1, 2 ** 31 - 1, -(2 ** 31)],
    write: (b, x, i) => b.writeInt32LE(x, i),
  },
  i64: {
    bytes: 8,
    values: [0, -1, 1, 2 ** 31, 2 ** 32 + 5, -(2 ** 33) - 7, 2 ** 53 - 1],
    write: (b, x, i) => b.writeBigInt64LE(BigInt(x), i),
  },
};

describe("numbers in a file", () => {
  const OFFSET = 8;
  const COUNT = 700; // two blocks and a part of one
  test.each(Object.keys(WRITERS) as NumberFormat[])("%s are read wherever they stand", (layout) => {
    const { bytes, values, write } = WRITERS[layout];
    const numbers = Array.from({ length: COUNT }, (_, i) => values[(i * i + i) % values.length]!);
    const file = Buffer.alloc(OFFSET + COUNT * bytes, 0x55);
    numbers.forEach((number, i) => write(file, number, OFFSET + i * bytes));
    writeFileSync(at(layout), file);
    const descriptor = openSync(at(layout), "r");
    const array = fileArray(
      { path: layout, descriptor },
      { offset: OFFSET, length: COUNT, format: layout },
    );
    expect(numbers.map((_, i) => array.at(i))).toEqual(numbers);
    expect([...array.slice(250, 260)]).toEqual(numbers.slice(250, 260));
    const read = [...readChunks(array, 256)];
    expect(read.map(({ length }) => length)).toEqual([256, 256, 188]);
    expect(read.flatMap((some) => [...some])).toEqual(numbers);
    closeSync(descriptor);
  });
});

describe("a .npy file", () => {
  const values = Int32Array.from({ length: 600 }, (_, i) => i * i - 1000);

  test.each([1, 2, 3])("of %i columns is as numpy writes it, and is read again", (columns) => {
    const path = at("array.npy");
    writeNpy(path, values, columns);
    const bytes = readFileSync(path);
    // The format's rules: magic, version, the header's length, and data at a multiple of 64.
    expect(bytes.subarray(0, 8)).toEqual(Buffer.from("\x93NUMPY\x01\x00", "latin1"));
    const headerBytes = bytes.readUInt16LE(8);
    expect((10 + headerBytes) % 64).toBe(0);
    expect(headerBytes).toBeLessThan(118 + 64);
    const shape = columns === 1 ? "(600,)" : `(${600 / columns}, ${columns})`;
    const header = bytes.toString("latin1", 10, 10 + headerBytes);
    expect(header.trimEnd()).toBe(`{'descr': '<i4', 'fortran_order': False, 'shape': ${shape}, }`);
    expect(header.endsWith("\n")).toBe(true);
    expect(bytes.length).toBe(10 + headerBytes + 4 * 600);
    const file = openNpy(path);
    expect([...file.array.slice(0, file.array.length)]).toEqual([...values]);
    file.close();
  });

  test("of unsigned numbers", () => {
    writeNpy(at("u.npy"), Uint32Array.of(0, 2 ** 32 - 1));
    const file = openNpy(at("u.npy"));
    expect([...file.array.slice(0, 2)]).toEqual([0, 2 ** 32 - 1]);
    expect(file.array.length).toBe(2);
    file.close();
  });

  test.each<[string, (whole: Buffer) => Buffer]>([
    ["cut in its first bytes", (whole) => whole.subarray(0, 9)],
    ["cut in its header", (whole) => whole.subarray(0, 60)],
    ["cut in its numbers", (whole) => whole.subarray(0, -1)],
    ["longer than it says", (whole) => Buffer.concat([whole, Buffer.alloc(1)])],
    ["of another format", (whole) => Buffer.concat([Buffer.from("X"), whole.subarray(1)])],
    [
      "of other numbers",
      (whole) => Buffer.from(whole.toString("latin1").replace("<i4", "<f4"), "latin1"),
    ],
    [
      "by columns",
      (whole) => Buffer.from(whole.toString("latin1").replace("False", "True "), "latin1"),
    ],
    [
      "without a shape",
      (whole) => Buffer.from(whole.toString("latin1").replace("shape", "shop "), "latin1"),
    ],
  ])("that is %s is refused", (_what, damage) => {
    writeNpy(at("bad.npy"), values);
    writeFileSync(at("bad.npy"), damage(readFileSync(at("bad.npy"))));
    expect(() => openNpy(at("bad.npy"))).toThrow("bad.npy: is damaged or no .npy file");
  });
});

test("a list that grows has what was put in, in order", () => {
  const list = createIntList();
  const expected: number[] = [];
  const draw = seededRandom(5);
  expect([...list.all()]).toEqual([]);
  while (expected.length < 5000) {
    const some = Int32Array.from({ length: Math.floor(700 * draw()) }, () =>
      Math.floor(1e6 * draw()),
    );
    list.append(some);
    expected.push(...some);
    list.push(expected.length);
    expected.push(expected.length);
    expect(list.length).toBe(expected.length);
  }
  expect([...list.all()]).toEqual(expected);
});

test("a list that is filled to the brim and beyond keeps all", () => {
  for (const count of [1023, 1024, 1025, 2047, 2048, 2050]) {
    const list = createIntList();
    for (let i = 0; i < count; i += 1) list.push(i);
    expect([...list.all()]).toEqual(Array.from({ length: count }, (_, i) => i));
  }
});

describe("a large dataset", () => {
  const BUFFERED = 2 ** 19; // tokens of two bytes in the writer's megabyte
  const MANY = 2 ** 16 + 3; // more sequences than are written at once
  const lengths = [
    5,
    BUFFERED - 5,
    1,
    BUFFERED + 1,
    0,
    3,
    BUFFERED,
    ...Array<number>(MANY).fill(1),
    2,
  ];
  const tokenAt = (sequence: number, i: number): number => (sequence * 31 + i * 7) % 65_000;

  test.each(["u16", "i32"] as const)("of %s is read as it was written", (dtype) => {
    const writer = createDatasetWriter(at(dtype), dtype);
    lengths.forEach((length, sequence) => {
      const tokens = Int32Array.from({ length }, (_, i) => tokenAt(sequence, i));
      writer.append(tokens.subarray(0, 2)); // in pieces, as tokenizers give them
      writer.append(tokens.subarray(2));
      writer.endSequence();
      writer.endDocument();
    });
    writer.finish();
    const dataset = openIndexedDataset(at(dtype));
    dataset.verify();
    expect(isSame(dataset.lengths.slice(0, lengths.length), lengths)).toBe(true);
    expect(dataset.bounds.length).toBe(lengths.length + 1);
    expect(
      isSame(dataset.bounds.slice(0, lengths.length + 1), [...lengths.keys(), lengths.length]),
    ).toBe(true);
    expect(dataset.tokenCount).toBe(lengths.reduce((a, b) => a + b, 0));
    let largest = 0;
    lengths.forEach((length, sequence) => {
      if (sequence > 10 && sequence % 997 !== 0 && sequence < lengths.length - 2) return;
      const [from, out] = [Math.min(1, length), new Int32Array(length + 2).fill(-7)];
      dataset.read(sequence, from, length - from, out, 1);
      const expected = Int32Array.from({ length: length - from }, (_, i) =>
        tokenAt(sequence, from + i),
      );
      expect([sequence, isSame(out.subarray(1, 1 + length - from), expected)]).toEqual([
        sequence,
        true,
      ]);
      expect([out[0], out[1 + length - from]]).toEqual([-7, -7]);
    });
    for (let sequence = 0; sequence < lengths.length; sequence += 1) {
      for (let i = 0; i < lengths[sequence]!; i += 1) {
        largest = Math.max(largest, tokenAt(sequence, i));
      }
    }
    const told: number[] = [];
    expect(dataset.largestToken((done) => told.push(done))).toBe(largest);
    expect(told.at(-1)).toBe(dataset.tokenCount);
    for (const [from, count] of [
      [-1, 1],
      [0, -1],
      [0, 6],
      [5, 1],
      [NaN, 1],
    ] as const) {
      expect(() => dataset.read(0, from, count, new Int32Array(9))).toThrow(RangeError);
    }
    dataset.close();
  });
});

test("documents written whole have the bytes of those written piece by piece", () => {
  const tokens = Uint16Array.of(1, 2, 3, 4, 5, 6, 7);
  const [one, other, third, fourth] = ["one", "other", "third", "fourth"].map((name) =>
    createDatasetWriter(at(name), "u16"),
  );
  one!.appendDocuments(tokens, { lengths: Int32Array.of(3, 1, 3), sequences: Int32Array.of(2, 1) });
  one!.appendDocuments(Uint16Array.of(8), {
    lengths: Int32Array.of(1),
    sequences: Int32Array.of(1),
  });
  for (const document of [[[1, 2, 3], [4]], [[5, 6, 7]], [[8]]]) {
    for (const sequence of document) {
      other!.append(sequence);
      other!.endSequence();
    }
    other!.endDocument();
  }
  third!.appendDocuments(tokens, { lengths: Int32Array.of(3, 4), sequences: null });
  for (const document of [
    [1, 2, 3],
    [4, 5, 6, 7],
  ]) {
    fourth!.append(document);
    fourth!.endDocument();
  }
  for (const writer of [one!, other!, third!, fourth!]) writer.finish();
  for (const ending of [".bin", ".idx"]) {
    const bytesOf = (name: string) => readFileSync(at(name) + ending);
    expect(bytesOf("one").equals(bytesOf("other"))).toBe(true);
    expect(bytesOf("third").equals(bytesOf("fourth"))).toBe(true);
  }
});

test("places of more bytes than 32 bits count are written whole", () => {
  const writer = createDatasetWriter(at("far"), "u16");
  const long = 2 ** 31 - 1;
  // Only the index is looked at: such a file of tokens would take gigabytes.
  writer.appendDocuments(Uint16Array.of(1), {
    lengths: Int32Array.of(long, long, long, 1),
    sequences: null,
  });
  writer.finish();
  const idx = readFileSync(`${at("far")}.idx`);
  const places = [0, 1, 2, 3].map((i) => Number(idx.readBigInt64LE(34 + 4 * 4 + 8 * i)));
  expect(places).toEqual([0, 2 * long, 4 * long, 6 * long]);
});

test("tokens take two bytes where Megatron gives them two", () => {
  expect([100, 65_499, 65_500, 100_000].map(tokenDtype)).toEqual(["u16", "u16", "i32", "i32"]);
});
