// Which tokenizer a name stands for, and what is refused in place of being read as another kind.

import { describe, expect, test } from "@jest/globals";
import { UserError } from "@tessera/config";
import { scratchFolder } from "@tessera/testing";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { bytesToUnicode } from "./formats/byte_unicode.js";
import { byteModel, openTokenizer, writeTokenizerJson } from "./index.js";

const at = scratchFolder("open-tokenizer");

/** A folder with these files, beside GPT-2's two of a vocabulary of bytes. */
function folderWith(name: string, files: Readonly<Record<string, unknown>>): string {
  mkdirSync(at(name));
  const bytes = Array.from({ length: 256 }, (_, byte) => [bytesToUnicode([byte]), byte]);
  const vocab = { ...(Object.fromEntries(bytes) as object), "<|endoftext|>": 256 };
  const all: Readonly<Record<string, unknown>> = {
    "vocab.json": vocab,
    "merges.txt": "#version: 0.2\n",
    ...files,
  };
  for (const [file, content] of Object.entries(all)) {
    const text = typeof content === "string" ? content : JSON.stringify(content);
    writeFileSync(join(at(name), file), text);
  }
  return at(name);
}

describe("a folder", () => {
  test("that is called as a built-in tokenizer has its own, if it has one", () => {
    const cwd = process.cwd();
    mkdirSync(at("gpt2"));
    mkdirSync(at("bytes"));
    writeTokenizerJson(at("gpt2/tokenizer.json"), byteModel);
    process.chdir(at("."));
    try {
      expect(openTokenizer("gpt2").vocabularySize).toBe(256);
      expect(openTokenizer("bytes").name).toBe("bytes");
    } finally {
      process.chdir(cwd);
    }
    expect(openTokenizer("gpt2").vocabularySize).toBe(50_257);
  });

  test("of GPT-2's two files is split as GPT-2's", () => {
    const config = { tokenizer_class: "GPT2TokenizerFast", eos_token: "<|endoftext|>" };
    const tokenizer = openTokenizer(folderWith("plain", { "tokenizer_config.json": config }));
    expect([...tokenizer.encode("a<|endoftext|>", { special: "allow" })]).toEqual([97, 256]);
    expect(tokenizer.endOfText).toBe(256);
  });

  test.each<[string, Readonly<Record<string, unknown>>, RegExp]>([
    [
      "of another class",
      { "tokenizer_config.json": { tokenizer_class: "Qwen2Tokenizer" } },
      /tokenizer_class Qwen2Tokenizer is not followed here; save it as a tokenizer.json/,
    ],
    [
      "with tokens in a file",
      { "added_tokens.json": { "[PAD]": 257 } },
      /added_tokens.json: is not/,
    ],
  ])("of GPT-2's two files %s is refused", (name, files, reason) => {
    const open = () => openTokenizer(folderWith(name, files));
    expect(open).toThrow(UserError);
    expect(() => openTokenizer(at(name))).toThrow(reason);
  });

  test("with SentencePiece's file, or none, is refused", () => {
    mkdirSync(at("llama2"));
    writeFileSync(
      at("llama2/tokenizer.model"),
      Uint8Array.of(10, 14, 10, 5, 60, 117, 110, 107, 62),
    );
    expect(() => openTokenizer(at("llama2"))).toThrow(
      /tokenizer.model: is a model of SentencePiece/,
    );
    mkdirSync(at("empty"));
    expect(() => openTokenizer(at("empty"))).toThrow(/has no tokenizer: neither tokenizer.json/);
  });
});

test("a pattern is for rank files alone", () => {
  writeTokenizerJson(at("own.json"), byteModel);
  expect(() => openTokenizer(at("own.json"), { pattern: "llama3" })).toThrow(/leave out/);
});

test("a pattern that takes exponential time is ended, and refused", () => {
  const preTokenizer = [{ regex: "(a+)+$", behavior: "Isolated", invert: false }] as const;
  writeTokenizerJson(at("slow.json"), { ...byteModel, preTokenizer });
  const tokenizer = openTokenizer(at("slow.json"));
  expect(tokenizer.encode("aaaa")).toHaveLength(4);
  const refused = () => tokenizer.encode(`${"a".repeat(60)}b`);
  expect(refused).toThrow(/pattern takes more than 2 s on 61 characters/);
});
