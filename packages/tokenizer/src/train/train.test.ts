import { afterAll, expect, test } from "@jest/globals";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BPE, byteLevelPreTokenizer, Tokenizer as HuggingFace } from "tokenizers";
import { bpeTokenizer, readTokenizerJson, writeTokenizerJson } from "../index.js";
import { countWords, trainBpe } from "../train.js";
import { allTokens } from "../bpe/token_list.js";

const folder = mkdtempSync(join(tmpdir(), "tessera-train-"));
afterAll(() => rmSync(folder, { recursive: true }));

const TEXT = ["README.md", "src/train/train_bpe.ts", "src/bpe/merge.ts", "fixtures/tokens.json"]
  .map((name) => readFileSync(join(__dirname, "../..", name), "utf8"))
  .join("\n");

/** Counted line by line, as Hugging Face's trainer reads files. */
function wordsOf(text: string) {
  const words = countWords();
  for (const line of text.split(/(?<=\n)/)) words.add(Buffer.from(line));
  return words;
}

/** The merges that Hugging Face's trainer finds, as many as there are. */
function theirMerges(text: string): readonly string[] {
  const tokenizer = new HuggingFace(BPE.empty());
  tokenizer.setPreTokenizer(byteLevelPreTokenizer(false, true));
  writeFileSync(join(folder, "text.txt"), text);
  tokenizer.train([join(folder, "text.txt")]);
  tokenizer.save(join(folder, "theirs.json"));
  return mergesIn("theirs.json");
}

function mergesIn(name: string): readonly string[] {
  const file = JSON.parse(readFileSync(join(folder, name), "utf8")) as {
    model: { merges: readonly (string | readonly string[])[] };
  };
  return file.model.merges.map((merge) => (typeof merge === "string" ? merge : merge.join(" ")));
}

test.each([
  ["prose and code", TEXT, 1000],
  ["runs of one letter", "aaaa aaa aa aaaaaaaa bbbb abab ababab\n".repeat(3), 6],
])(
  "training on %s gives the merges of Hugging Face's trainer, ties and all",
  (_what, text, least) => {
    const theirs = theirMerges(text);
    const model = trainBpe(wordsOf(text), { vocabularySize: 30_000, minFrequency: 1 });
    writeTokenizerJson(join(folder, "ours.json"), model);
    const ours = mergesIn("ours.json");
    expect(theirs.length).toBeGreaterThanOrEqual(least);
    expect(ours.slice(0, theirs.length)).toEqual(theirs);
  },
);

test("a trained vocabulary has its size, its specials first, all bytes, and decodes what it encodes", () => {
  const specials = ["<|endoftext|>", "<|user|>"];
  const model = trainBpe(wordsOf(TEXT), { vocabularySize: 400, specials });
  const tokenizer = bpeTokenizer(model);
  expect(tokenizer).toMatchObject({ vocabularySize: 400, endOfText: 0 });
  expect([...tokenizer.addedTokens]).toEqual([
    ["<|endoftext|>", 0],
    ["<|user|>", 1],
  ]);
  const text = `${TEXT} é 🙂 \u0000`;
  expect(tokenizer.decode(tokenizer.encode(text))).toBe(text);
  expect(tokenizer.encode(text).length).toBeLessThan(Buffer.byteLength(text) / 1.5);
  writeTokenizerJson(join(folder, "saved.json"), model);
  const again = bpeTokenizer(readTokenizerJson(join(folder, "saved.json")));
  expect(again.encode(text)).toEqual(tokenizer.encode(text));
});

test("a pair that is too rare is not merged", () => {
  const model = trainBpe(wordsOf("ab ab ab cd"), { vocabularySize: 300, minFrequency: 3 });
  const tokens = allTokens(model.tokens).map((token) => Buffer.from(token).toString("latin1"));
  expect(tokens).toContain("ab");
  expect(tokens).not.toContain("cd");
});

test("a vocabulary that cannot hold the bytes is refused", () => {
  expect(() => trainBpe(wordsOf("a"), { vocabularySize: 256 })).toThrow(/must be at least 257/);
});
