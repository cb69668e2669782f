// Corpora of all kinds, as `tessera preprocess` reads them.

import { describe, expect, test } from "@jest/globals";
import { UserError } from "@tessera/config";
import { openIndexedDataset } from "@tessera/data/megatron";
import { scratchFolder } from "@tessera/testing";
import { gpt2Tokenizer } from "@tessera/tokenizer";
import { readdirSync, writeFileSync } from "node:fs";
import { gzipSync } from "node:zlib";
import { preprocess } from "./preprocess.js";
import type { PreprocessOptions } from "./options.js";

const at = scratchFolder("preprocess");
const gpt2 = gpt2Tokenizer();

/** Documents as their texts, and what was printed. */
async function run(name: string, content: string | Uint8Array, more: Partial<PreprocessOptions>) {
  const input = at(name);
  writeFileSync(input, content);
  const prefix = at(`made/${name}-${readdirSync(at(".")).length}`);
  let printed = "";
  const stream = { isTTY: false, write: (text: string) => (printed += text) };
  const code = await preprocess({
    inputs: [input],
    format: undefined,
    keys: ["text"],
    prefix,
    tokenizer: gpt2,
    workers: 2,
    appendEnd: false,
    splitSentences: false,
    addSpecialTokens: true,
    special: "text",
    strict: false,
    maxDocuments: Infinity,
    logInterval: Infinity,
    signal: new AbortController().signal,
    stream: stream as unknown as NodeJS.WriteStream,
    ...more,
  });
  expect(code).toBe(0);
  const dataset = openIndexedDataset(`${prefix}_text_document`);
  const texts = Array.from({ length: dataset.lengths.length }, (_, i) => {
    const ids = new Int32Array(dataset.lengths.at(i));
    dataset.read(i, 0, ids.length, ids, 0);
    return gpt2.decode(ids);
  });
  return { texts, printed };
}

const LINES = '\ufeff{"text": "hello\u2028world"}\n{"text": "again"}\n';
const DOCUMENTS = ["hello\u2028world", "again"];

describe("JSON lines", () => {
  test.each<[string, string | Uint8Array, Partial<PreprocessOptions>]>([
    ["a.jsonl", LINES, {}],
    ["a.ndjson", LINES, {}],
    ["a.jsonl.gz", gzipSync(LINES), {}],
    ["a.dat", LINES, { format: "jsonl" }],
  ])("%s has a document per line", async (name, content, more) => {
    expect((await run(name, content, more)).texts).toEqual(DOCUMENTS);
  });

  test("lines that are none are named and left out; --strict ends at the first", async () => {
    const bad = Buffer.concat([
      Buffer.from(LINES),
      Buffer.from('{"text": "caf\xe9"}\n[]\n', "latin1"),
    ]);
    const { texts, printed } = await run("bad.jsonl", bad, {});
    expect(texts).toEqual(DOCUMENTS);
    expect(printed).toMatch(/line 3: is not UTF-8.*left out\n.*line 4: is a JSON array/);
    expect(printed).toMatch(/2 lines left out/);
    await expect(run("bad.jsonl", bad, { strict: true })).rejects.toThrow(/line 3: is not UTF-8/);
  });
});

test("as many documents are read as are wanted, and told as often", async () => {
  const lines = Array.from({ length: 9 }, (_, i) => `{"text": "${i}. One. Two."}\n`).join("");
  const { texts, printed } = await run("nine.jsonl", lines, { maxDocuments: 5, logInterval: 2 });
  expect(texts).toEqual(["0", "1", "2", "3", "4"].map((one) => `${one}. One. Two.`));
  expect(printed).toMatch(/Processed 5 documents \(\d+ docs\/s/);
});

describe("plain text", () => {
  test("is one document, compressed or not", async () => {
    expect((await run("a.txt", "\ufeffone\ntwo", {})).texts).toEqual(["one\ntwo"]);
    expect((await run("a.txt.gz", gzipSync("one\ntwo"), {})).texts).toEqual(["one\ntwo"]);
  });

  test.each<[string, string | Uint8Array, RegExp]>([
    ["a.txt", Uint8Array.of(0x63, 0xe9), /is not UTF-8/],
    ["a.bin", Uint8Array.of(0x63, 0), /is binary/],
    ["a.parquet", "PAR1", /is a table of Parquet/],
    ["a.txt", "", /there is no document to write/],
  ])("%s is refused where it is none: %#", async (name, content, reason) => {
    const refused = run(name, content, {});
    await expect(refused).rejects.toThrow(reason);
    await expect(refused).rejects.toBeInstanceOf(UserError);
  });
});

test.each([1, 2, 4])(
  "a text that is refused in the midst of others ends %d threads, and nothing is left",
  async (workers) => {
    const line = "to be, or not to be, that is the question\n";
    const text = `${line.repeat(120_000)}<|endoftext|> ${line.repeat(40_000)}`;
    const before = readdirSync(at("made"));
    const refused = run("refused.txt", text, { special: "refuse", workers });
    await expect(refused).rejects.toThrow(/refused.txt: the text has the special token/);
    expect(readdirSync(at("made"))).toEqual(before);
  },
);
