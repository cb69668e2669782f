import { describe, expect, test } from "@jest/globals";
import { encode as oracle } from "gpt-tokenizer/encoding/r50k_base";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { findSplitPoint } from "../batch/split_point.js";
import { encodeLines } from "../batch/documents.js";
import { gpt2Tokenizer } from "../index.js";
import { encodeFile, readChunks, splitAfterLine } from "../batch.js";

const gpt2 = gpt2Tokenizer();
const TEXT =
  "It said: nothing, 42 times over.\n\nThen caf\u00e9 \u65e5\u672c\u8a9e \u{1f642} again";

test("a text at the very end of its memory has the same ids", () => {
  const whole = Buffer.from(TEXT);
  for (let start = 0; start < whole.length; start += 1) {
    const text = whole.toString("utf8", start);
    const alone = new Uint8Array(new TextEncoder().encode(text)); // no byte follows it
    expect([...gpt2.encodeBytes(alone)]).toEqual(oracle(text));
    const amid = Buffer.from(`${text}zzzzzzzzzzzz`).subarray(0, alone.length);
    expect([...gpt2.encodeBytes(amid)]).toEqual(oracle(text));
  }
});

test("more pieces than are remembered have the ids of the first time", () => {
  const word = (n: number): string => ` ${(n * 7919).toString(36)}x${n}`;
  const text = Array.from({ length: 60_000 }, (_, n) => word(n)).join("");
  const ids = gpt2.encode(text);
  expect(ids).toEqual(Int32Array.from(oracle(text)));
  expect(gpt2.encode(text)).toEqual(ids);
});

test("a text longer than the memory for short ones has the ids of its lines", () => {
  const line = `${TEXT}\n`;
  const once = oracle(line);
  const ids = [...gpt2.encode(line.repeat(2000))];
  expect(ids).toEqual(Array.from({ length: 2000 }, () => once).flat());
});

describe("a file in chunks", () => {
  const folder = mkdtempSync(join(tmpdir(), "tessera-chunks-"));
  const path = join(folder, "text");
  const bytes = Buffer.from(`${`${TEXT}\n`.repeat(40)}${"a".repeat(999)} b\nend`);
  writeFileSync(path, bytes);

  async function all<T>(parts: AsyncIterable<T>): Promise<readonly T[]> {
    const list: T[] = [];
    for await (const part of parts) list.push(part);
    return list;
  }

  test.each([16, 100, 1000, 1_000_000])("of %d bytes or more is whole", async (size) => {
    const words = (await all(readChunks(path, findSplitPoint, size))).map(({ bytes }) => bytes);
    expect(Buffer.concat(words).equals(bytes)).toBe(true);
    const ids = words.flatMap((chunk) => [...gpt2.encodeBytes(chunk)]);
    expect(ids).toEqual([...gpt2.encodeBytes(bytes)]);
    const chunks = await all(readChunks(path, splitAfterLine, size));
    const lines = chunks.map(({ bytes }) => bytes);
    expect(Buffer.concat(lines).equals(bytes)).toBe(true);
    expect(lines.slice(0, -1).every((chunk) => chunk.at(-1) === 0x0a)).toBe(true);
    expect(chunks.reduce((sum, { read }) => sum + read, 0)).toBe(bytes.length);
  });

  test("is encoded without being read at once", async () => {
    const ids = (await all(encodeFile(gpt2, path))).flatMap((some) => [...some]);
    expect(ids).toEqual([...gpt2.encodeBytes(bytes)]);
    rmSync(folder, { recursive: true });
  });
});

test("sentences are sequences that together are the text, the last with the end of the document", () => {
  const texts = ["One. Two is it!\nThree, e.g. this?", "Only one"];
  const lines = Buffer.from(texts.map((text) => JSON.stringify({ text })).join("\n"));
  const options = { keys: ["text"], appendEndOfText: true, splitSentences: true } as const;
  const [documents] = encodeLines(gpt2, lines, options).documents;
  const { ids, lengths, sequences } = documents!;
  expect([...sequences!]).toEqual([3, 1]);
  let at = 0;
  const parts = Array.from(lengths, (length) => gpt2.decode(ids.subarray(at, (at += length))));
  expect(parts).toEqual([
    "One. ",
    "Two is it!\n",
    "Three, e.g. this?<|endoftext|>",
    "Only one<|endoftext|>",
  ]);
});
