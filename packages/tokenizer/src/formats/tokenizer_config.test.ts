import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "@jest/globals";
import { UserError } from "@tessera/config";
import { scratchFolder } from "@tessera/testing";
import { specialTokens } from "../bpe/added_token.js";
import { createTokenList } from "../bpe/token_list.js";
import { byteModel } from "../byte_tokenizer.js";
import { openTokenizer } from "../open_tokenizer.js";
import { writeTokenizerJson } from "./tokenizer_json.js";

const scratch = scratchFolder("tokenizer-config");
let folders = 0;

type Json = Readonly<Record<string, unknown>>;

const texts = ["[END]", "<s>", "</s>", "<pad>"];

/** Opens bytes, a token [END] that is not added, and three that are, beside `files`. */
function open(hasTemplate: boolean, files: Readonly<Record<string, Json | null>>) {
  const folder = scratch(String((folders += 1)));
  mkdirSync(folder);
  const bytes = Array.from({ length: 256 }, (_, byte) => Uint8Array.of(byte));
  const tokens = [...bytes, ...texts.map((text) => new TextEncoder().encode(text))];
  writeTokenizerJson(join(folder, "tokenizer.json"), {
    ...byteModel,
    tokens: createTokenList(tokens),
    added: specialTokens(texts.slice(1).map((text, i) => [text, 257 + i] as const)),
    template: { before: hasTemplate ? [257] : [], after: [] },
  });
  for (const [name, json] of Object.entries(files)) {
    if (json !== null) writeFileSync(join(folder, name), JSON.stringify(json));
  }
  return openTokenizer(folder);
}

const plain = [[97], [97, 258, 98, 91, 69, 78, 68, 93]];
const withEnd = [[97], [97, 258, 98, 256]];
const begun = plain.map((ids) => [257, ...ids]);
const added = { lstrip: false, normalized: false, rstrip: false, single_word: false };
const ends = { bos_token: "<s>", eos_token: "</s>" };
const decoder = { added_tokens_decoder: { "258": { content: "</s>", special: true, ...added } } };

// Ids of the two texts, and of the tokens that begin, end and pad one, as AutoTokenizer of transformers 5.24 has them.
test.each<[boolean, Json | null, Json | null, number[][], (number | null)[]]>([
  [false, {}, null, plain, [null, null, null]],
  [true, {}, null, begun, [null, null, null]],
  [false, { ...ends, pad_token: "<pad>" }, null, plain, [257, 258, 259]],
  [
    true,
    { bos_token: "<s>", eos_token: "[END]" },
    null,
    withEnd.map((ids) => [257, ...ids]),
    [257, 256, null],
  ],
  [false, { ...ends, add_bos_token: true, add_eos_token: true }, null, plain, [257, 258, null]],
  [true, { ...ends, add_bos_token: false }, null, begun, [257, 258, null]],
  [false, { eos_token: { content: "[END]", ...added } }, null, withEnd, [null, 256, null]],
  [
    false,
    { eos_token: "</s>" },
    { eos_token: "[END]", pad_token: "<pad>" },
    withEnd,
    [null, 256, 259],
  ],
  [false, { eos_token: "</s>", ...decoder }, { eos_token: "[END]" }, plain, [null, 258, null]],
  [
    false,
    null,
    { bos_token: "<s>", eos_token: { content: "</s>", ...added } },
    plain,
    [257, 258, null],
  ],
  [false, { eos_token: null, unk_token: "[END]" }, null, withEnd, [null, null, null]],
])(
  "template %s, tokenizer_config.json %j, special_tokens_map.json %j",
  (template, config, map, ids, specials) => {
    const tokenizer = open(template, {
      "tokenizer_config.json": config,
      "special_tokens_map.json": map,
    });
    const encode = (text: string) => [
      ...tokenizer.encode(text, { addSpecialTokens: true, special: "allow" }),
    ];
    expect(["a", "a</s>b[END]"].map(encode)).toEqual(ids);
    const [bos, eos, pad] = specials;
    expect(tokenizer.beginOfText ?? null).toBe(bos);
    expect(tokenizer.padding ?? null).toBe(pad);
    // A file that names no end leaves what is known as one by its text.
    expect(tokenizer.endOfText).toBe(eos ?? 258);
  },
);

test("the end of a text is that of the model beside it, where the tokenizer names none", () => {
  const model = { "config.json": { eos_token_id: 256 } };
  expect(open(false, model).endOfText).toBe(256);
  expect(
    open(false, { ...model, "generation_config.json": { eos_token_id: [9999, 259] } }).endOfText,
  ).toBe(259);
  expect(open(false, { ...model, "tokenizer_config.json": ends }).endOfText).toBe(258);
  expect(open(false, { "config.json": { eos_token_id: null } }).endOfText).toBe(258);
});

test("a file that is wrong is refused by its name and key", () => {
  const refused = () => open(false, { "tokenizer_config.json": { eos_token: 7 } });
  expect(refused).toThrow(UserError);
  expect(refused).toThrow(/tokenizer_config\.json: eos_token: /);
});
