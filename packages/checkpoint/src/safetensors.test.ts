// Hostile files: whatever is in them, they are read inside their tensors or refused in a sentence.

import { execFileSync } from "node:child_process";
import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { UserError } from "@tessera/config";
import { openSafetensors } from "./index.js";

let folder: string;
let path: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "tessera-fuzz-"));
  path = join(folder, "made.safetensors");
});
afterAll(() => rmSync(folder, { recursive: true }));

test("a pipe is refused, and nobody waits for it", () => {
  execFileSync("mkfifo", [join(folder, "pipe.safetensors")]);
  expect(() => openSafetensors(join(folder, "pipe.safetensors"))).toThrow(/is not a regular file/);
});

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
