// Safetensors files with bytes and words of their headers changed.

import { writeFileSync } from "node:fs";
import { UserError } from "@tessera/config";
import { mutate, seededRandom } from "@tessera/testing";
import { openSafetensors } from "../index.js";
import { encodeHeader } from "../safetensors_writer.js";

const tensors = [
  { name: "a", shape: [2, 3] },
  { name: "blocks.0.weight", shape: [4] },
  { name: "scalar", shape: [] },
];

/** A whole file, whose every element is 7. */
function wholeFile(): Buffer {
  const header = encodeHeader(tensors, { metadata: { format: "pt" } });
  const data = new Uint8Array(new Float32Array(11).fill(7).buffer);
  return Buffer.concat([header, data]);
}

/** Pieces of headers, for mutations that JSON survives. */
const PIECES = ["[", "]", "{", "}", '"', ",", ":", "-1", "1e99", "0", "9007199254740993", "null"];
const NAMES = ["__proto__", "F16", "BF16", "I64", "../../x", "\u0000", "\ud800"];

/** Reads all that a file of `size` bytes says it holds. Throws where that is a byte more than there is. */
function readToEnd(path: string, size: number): void {
  const opened = openSafetensors(path);
  try {
    let read = 0;
    for (const [name, shape] of opened.shapes) {
      const values = opened.read(name);
      const expected = shape.reduce((a, b) => a * b, 1);
      if (values.length !== expected) throw new Error(`${name}: has ${values.length} elements`);
      if (!isRefused(() => opened.read(name, values.length, 1))) {
        throw new Error(`${name}: is read behind its end`);
      }
      opened.checksum(name);
      read += values.byteLength;
    }
    if (read > 2 * size) throw new Error(`${read} bytes of ${size}`); // 16-bit floats are widened
  } finally {
    opened.close();
  }
}

function isRefused(read: () => unknown): boolean {
  try {
    read();
    return false;
  } catch (error) {
    return error instanceof RangeError;
  }
}

/** Reads `count` mutated files, which lie at `path` in turn. Throws where one is neither read nor refused by name. */
export function openMutatedFiles(path: string, count: number, seed: number) {
  const draw = seededRandom(seed);
  const file = wholeFile();
  const ends = { read: 0, refused: 0 };
  for (let round = 0; round < count; round += 1) {
    const bytes = mutate(file, draw, { words: [...PIECES, ...NAMES] });
    writeFileSync(path, bytes);
    try {
      readToEnd(path, bytes.length);
      ends.read += 1;
    } catch (error) {
      if (!(error instanceof UserError) || !error.message.startsWith(path)) throw error;
      ends.refused += 1;
    }
  }
  return ends;
}
