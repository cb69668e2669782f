import { afterAll, describe, expect, test } from "@jest/globals";
import { UserError } from "@tessera/config";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Tokenizer as HuggingFace } from "tokenizers";
import { bytesToUnicode } from "./byte_unicode.js";
import {
  bpeTokenizer,
  gpt2Model,
  openTokenizer,
  readTiktoken,
  readTokenizerJson,
  readVocabMerges,
  writeTokenizerJson,
} from "../index.js";
import { createLinearMerge } from "../bpe/merge.js";
import { createPairTable } from "../bpe/pair_table.js";
import { allTokens, createTokenList } from "../bpe/token_list.js";

const RANKS = createRequire(__filename).resolve("gpt-tokenizer/data/r50k_base.tiktoken");
const TEXT =
  readFileSync(join(__dirname, "../../README.md"), "utf8") + "日本語 🙂 \n\n  <|endoftext|> x";

const folder = mkdtempSync(join(tmpdir(), "tessera-tokenizer-"));
afterAll(() => rmSync(folder, { recursive: true }));
const at = (name: string): string => join(folder, name);

const gpt2 = gpt2Model();
const gpt2Tokens = allTokens(gpt2.tokens);
const expected = bpeTokenizer(gpt2).encode(TEXT);

test("the built-in merges are those that tiktoken's ranks of GPT-2 come from", () => {
  const lines = readFileSync(RANKS, "ascii").trim().split("\n");
  expect(gpt2.merges).toHaveLength(3 * (lines.length - 256));
  const merge = createLinearMerge(createPairTable(gpt2.merges, false));
  const byteIds = new Map(gpt2Tokens.slice(0, 256).map(([byte], id) => [byte, id]));
  lines.forEach((line, id) => {
    const bytes = Buffer.from(line.split(" ")[0]!, "base64");
    expect(bytes.equals(gpt2Tokens[id]!)).toBe(true);
    const tokens = Int32Array.from(bytes, (byte) => byteIds.get(byte)!);
    expect([merge(tokens, tokens.length), tokens[0]]).toEqual([1, id]);
  });
});

describe("the same vocabulary gives the same ids", () => {
  test("from vocab.json and merges.txt", () => {
    const names = gpt2Tokens.map((token, id) =>
      id === gpt2.endOfText ? "<|endoftext|>" : bytesToUnicode(token),
    );
    const merges = Array.from(
      { length: gpt2.merges.length / 3 },
      (_, i) => `${names[gpt2.merges[3 * i]!]} ${names[gpt2.merges[3 * i + 1]!]}`,
    );
    writeFileSync(
      at("vocab.json"),
      JSON.stringify(Object.fromEntries(names.map((n, i) => [n, i]))),
    );
    writeFileSync(at("merges.txt"), ["#version: 0.2", ...merges, ""].join("\n"));
    const model = readVocabMerges(at("vocab.json"), at("merges.txt"));
    expect(model.endOfText).toBe(gpt2.endOfText);
    expect(bpeTokenizer(model).encode(TEXT)).toEqual(expected);
    expect(openTokenizer(folder).encode(TEXT)).toEqual(expected);
  });

  test("from a tokenizer.json that was written, which Hugging Face reads alike", async () => {
    writeTokenizerJson(at("tokenizer.json"), gpt2);
    const model = readTokenizerJson(at("tokenizer.json"));
    const tokenizer = bpeTokenizer(model);
    expect(tokenizer.encode(TEXT)).toEqual(expected);
    const theirs = await HuggingFace.fromFile(at("tokenizer.json")).encode(TEXT);
    expect(theirs.getIds()).toEqual([...tokenizer.encode(TEXT, { special: "allow" })]);
  });

  test("from a rank file of tiktoken, which is known by what it holds", () => {
    const model = readTiktoken(RANKS);
    expect(model.endOfText).toBe(50_256);
    expect(bpeTokenizer(model).encode(TEXT)).toEqual(expected);
  });

  test("with the pattern as a regular expression, as files give it", () => {
    const regex = String.raw`(?i:'s|'t|'re|'ve|'m|'ll|'d)| ?\p{L}++| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`;
    const model = { ...gpt2, pattern: { regex } };
    expect(bpeTokenizer(model).encode(TEXT)).toEqual(expected);
  });
});

describe("what tokenizer.json puts around a text", () => {
  const special = (id: string) => ({ SpecialToken: { id, type_id: 0 } });
  const text = { Sequence: { id: "A", type_id: 0 } };
  const template = (single: readonly unknown[]) => ({
    type: "TemplateProcessing",
    single,
    pair: [text, { Sequence: { id: "B", type_id: 1 } }],
    special_tokens: { "<s>": { id: "<s>", ids: [1, 2], tokens: ["!", '"'] } },
  });
  const pair = { type: "RobertaProcessing", sep: ["</s>", 4], cls: ["<s>", 3] };
  const level = { type: "ByteLevel", add_prefix_space: true, trim_offsets: false, use_regex: true };
  const fileWith = (processor: object): string => {
    writeTokenizerJson(at("plain.json"), gpt2);
    const file = JSON.parse(readFileSync(at("plain.json"), "utf8")) as object;
    writeFileSync(at("around.json"), JSON.stringify({ ...file, post_processor: processor }));
    return at("around.json");
  };

  test.each([
    ["a template", template([special("<s>"), text])],
    ["a template with an end", template([text, special("<s>")])],
    ["Roberta's", pair],
    ["ByteLevel", level],
    [
      "a sequence",
      { type: "Sequence", processors: [level, pair, template([special("<s>"), text])] },
    ],
  ])("%s: tokenizers adds the same", async (_what, processor) => {
    const path = fileWith(processor);
    const theirs = await HuggingFace.fromFile(path).encode("the cat", null);
    const ours = openTokenizer(path);
    expect([...ours.encode("the cat", { addSpecialTokens: true })]).toEqual(theirs.getIds());
    writeTokenizerJson(at("again.json"), bpeTokenizer(readTokenizerJson(path)).model);
    expect(openTokenizer(at("again.json")).template).toEqual(ours.template);
  });

  test.each([
    ["has the text twice", template([text, text])],
    ["has no text", template([special("<s>")])],
    ["names a token without ids", template([special("<x>"), text])],
    ["is of another kind", { type: "Other" }],
  ])("what %s is refused", (_what, processor) => {
    expect(() => openTokenizer(fileWith(processor))).toThrow(/post_processor/);
  });
});

describe("a file that cannot be used is refused in one sentence", () => {
  const json = (change: (file: Record<string, never>) => void): string => {
    const small = {
      ...gpt2,
      tokens: createTokenList(gpt2Tokens.slice(0, 256)),
      merges: new Int32Array(),
    };
    writeTokenizerJson(at("small.json"), { ...small, added: [] });
    const file = JSON.parse(readFileSync(at("small.json"), "utf8")) as Record<string, never>;
    change(file);
    writeFileSync(at("changed.json"), JSON.stringify(file));
    return at("changed.json");
  };
  const set = (path: string, value: unknown) => (file: Record<string, never>) => {
    const keys = path.split(".");
    const last = keys.pop()!;
    let place: Record<string, unknown> = file;
    for (const key of keys) place = place[key] as Record<string, unknown>;
    place[last] = value;
  };

  const level = {
    type: "ByteLevel",
    add_prefix_space: false,
    trim_offsets: true,
    use_regex: false,
  };
  const split = (regex: string) => ({
    type: "Split",
    pattern: { Regex: regex },
    behavior: "Isolated",
    invert: false,
  });
  const sequence = (...pretokenizers: readonly object[]) => ({ type: "Sequence", pretokenizers });
  const added = (content: string, id: number) => ({
    ...{ id, content, single_word: false, lstrip: false, rstrip: false },
    ...{ normalized: false, special: true },
  });

  test.each<[string, string, unknown, RegExp]>([
    [
      "another model",
      "model.type",
      "WordPiece",
      /is no tokenizer of the byte-level BPE kind \(model/,
    ],
    ["a normalizer", "normalizer", { type: "Lowercase" }, /\(normalizer.type: .*Lowercase/],
    ["one of several", "normalizer", { type: "Sequence", normalizers: [{ type: "Nmt" }] }, /Nmt/],
    [
      "another pre-tokenizer",
      "pre_tokenizer.type",
      "Metaspace",
      /\(pre_tokenizer.type: .*Metaspace/,
    ],
    ["no bytes", "pre_tokenizer.type", "Whitespace", /pre_tokenizer must end with ByteLevel/],
    ["bytes of bytes", "pre_tokenizer", sequence(level, level), /must end with ByteLevel/],
    ["truncation", "truncation", { max_length: 5 }, /\(truncation:/],
    ["padding", "padding", { strategy: "BatchLongest" }, /\(padding:/],
    ["a decoder", "decoder", { type: "WordPiece" }, /\(decoder.type:/],
    ["dropout", "model.dropout", 0.1, /\(model.dropout:/],
    ["a prefix of words", "model.continuing_subword_prefix", "##", /continuing_subword_prefix:/],
    ["a suffix of words", "model.end_of_word_suffix", "</w>", /end_of_word_suffix:/],
    ["an id that is not taken", "added_tokens", [added("<x>", 300)], /tokenizers gives 256/],
    ["no strips", "added_tokens", [{ id: 256, content: "<x>" }], /added_tokens.0.single_word/],
    ["no pattern", "pre_tokenizer", sequence(split("(a"), level), /the pattern \(a cannot be used/],
    ["ASCII's classes", "pre_tokenizer", sequence(split("(?D)\\d"), level), /what classes mean/],
    ["empty repeats", "pre_tokenizer", sequence(split("(a|b*)+"), level), /what may be empty/],
    ["sets in sets", "pre_tokenizer", sequence(split("[a-z&&[^b]]"), level), /cannot be used here/],
    ["cases", "pre_tokenizer", sequence(split("(?i:\\p{Lu})"), level), /case of cased properties/],
    ["a huge pattern", "pre_tokenizer", sequence(split("a".repeat(20_000)), level), /10000/],
    ["a merge of no tokens", "model.merges", ["zz zz"], /merge 1 is of zz and zz/],
    ["a merge of three", "model.merges", ["a b c"], /merge 1 is not two tokens/],
    ["two tokens with an id", "model.vocab.a", 3, /must be a whole number/],
    ["an id that is huge", "model.vocab.a", 1e12, /must be a whole number below 2097152/],
    ["a byte that is missing", "model.vocab", { a: 0 }, /has no token for byte/],
  ])("%s", (_what, path, value, message) => {
    const file = json(set(path, value));
    expect(() => bpeTokenizer(readTokenizerJson(file))).toThrow(UserError);
    expect(() => bpeTokenizer(readTokenizerJson(file))).toThrow(message);
  });

  test("files that are missing, no JSON, or no ranks", () => {
    expect(() => readTokenizerJson(at("none.json"))).toThrow(/cannot be read \(ENOENT\)/);
    writeFileSync(at("bad.json"), "{");
    expect(() => readTokenizerJson(at("bad.json"))).toThrow(/is not JSON/);
    writeFileSync(at("bad.tiktoken"), "YQ== 0\nYg== 0\n");
    expect(() => readTiktoken(at("bad.tiktoken"))).toThrow(/line 2 is not a token in base64/);
    expect(() => openTokenizer(at("none"))).toThrow(/is neither bytes nor gpt2 nor a file/);
  });
});
