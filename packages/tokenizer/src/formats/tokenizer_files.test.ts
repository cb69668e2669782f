import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "@jest/globals";
import { scratchFolder } from "@tessera/testing";
import { specialTokens } from "../bpe/added_token.js";
import { createTokenList } from "../bpe/token_list.js";
import { byteModel } from "../byte_tokenizer.js";
import { hasTokenizer, openTokenizer } from "../open_tokenizer.js";
import { saveTokenizer } from "./tokenizer_files.js";
import { writeTokenizerJson } from "./tokenizer_json.js";

const at = scratchFolder("tokenizer-files");

function folder(name: string): string {
  mkdirSync(at(name));
  return at(name);
}

/** Bytes, and a token between texts. */
function writeTokenizer(path: string): void {
  const bytes = Array.from({ length: 256 }, (_, byte) => Uint8Array.of(byte));
  const text = "<|endoftext|>";
  writeTokenizerJson(path, {
    ...byteModel,
    tokens: createTokenList([...bytes, new TextEncoder().encode(text)]),
    added: specialTokens([[text, 256]]),
  });
}

const json = (path: string) => JSON.parse(readFileSync(path, "utf8")) as object;

test("a tokenizer of a folder is copied with all that belongs to it, by either name", () => {
  const source = folder("source");
  writeTokenizer(join(source, "tokenizer.json"));
  const files = ["chat_template.jinja", "special_tokens_map.json", "tokenizer_config.json"];
  for (const name of files) writeFileSync(join(source, name), "{}");
  writeFileSync(join(source, "config.json"), "{}");
  for (const [i, name] of [source, join(source, "tokenizer.json")].entries()) {
    const target = folder(`copy-${i}`);
    saveTokenizer(openTokenizer(name), target);
    expect(readdirSync(target).sort()).toEqual([...files, "tokenizer.json"].sort());
    expect(json(join(target, "tokenizer.json"))).toEqual(json(join(source, "tokenizer.json")));
  }
});

test("a tokenizer in one file, or in none, is written with what transformers asks for", () => {
  writeTokenizer(at("own.json"));
  const [own, bytes] = [folder("own"), folder("bytes")];
  expect(hasTokenizer(own)).toBe(false);
  saveTokenizer(openTokenizer(at("own.json")), own);
  saveTokenizer(openTokenizer("bytes"), bytes);
  expect(hasTokenizer(own)).toBe(true);
  const written = {
    tokenizer_class: "PreTrainedTokenizerFast",
    clean_up_tokenization_spaces: false,
  };
  const end = "<|endoftext|>";
  expect(json(join(own, "tokenizer_config.json"))).toEqual({
    ...written,
    bos_token: end,
    eos_token: end,
  });
  expect(json(join(bytes, "tokenizer_config.json"))).toEqual(written);
  const text = "To be, or not — 😀\n\t";
  for (const target of [own, bytes]) {
    expect([...openTokenizer(target).encode(text)]).toEqual([...Buffer.from(text)]);
  }
  expect(openTokenizer(own)).toMatchObject({ endOfText: 256, beginOfText: 256 });
  expect(openTokenizer(bytes).endOfText).toBeNull();
});
