import { expect, test } from "@jest/globals";
import { specialTokens } from "../bpe/added_token.js";
import { bpeTokenizer } from "../bpe/bpe_tokenizer.js";
import { createTokenList } from "../bpe/token_list.js";
import { byteModel } from "../byte_tokenizer.js";
import { encodeLines, encodeText, encodeTexts, idsAfter } from "./documents.js";

const [BEGIN, END] = [256, 257];

const tokenizerWith = (before: readonly number[], after: readonly number[]) => {
  const bytes = Array.from({ length: 256 }, (_, byte) => Uint8Array.of(byte));
  const texts = ["<s>", "</s>"].map((text) => new TextEncoder().encode(text));
  const tokens = createTokenList([...bytes, ...texts]);
  const added = specialTokens([
    ["<s>", BEGIN],
    ["</s>", END],
  ]);
  return bpeTokenizer({ ...byteModel, tokens, added, endOfText: END, template: { before, after } });
};

const begins = tokenizerWith([BEGIN], []);
const wraps = tokenizerWith([BEGIN], [END]);

const around = { addSpecialTokens: true, appendEndOfText: true };

test("documents have around them what the tokenizer's file puts there, and one end", () => {
  const bytes = Buffer.from('{"text": "a"}\n{"text": "b. C"}\n');
  const lines = (tokenizer: typeof begins, options: object) => {
    const all = { keys: ["text"], splitSentences: false, ...around, ...options };
    const [found] = encodeLines(tokenizer, bytes, all).documents;
    return [[...found!.ids], [...found!.lengths]];
  };
  const wrapped = [
    [BEGIN, 97, END, BEGIN, 98, 46, 32, 67, END],
    [3, 6],
  ];
  expect(lines(begins, {})).toEqual(wrapped);
  expect(lines(wraps, {})).toEqual(wrapped);
  expect(lines(wraps, { appendEndOfText: false })).toEqual(wrapped);
  expect(lines(begins, { splitSentences: true })).toEqual([wrapped[0], [3, 4, 2]]);
  expect(lines(begins, { addSpecialTokens: false, appendEndOfText: false })).toEqual([
    [97, 98, 46, 32, 67],
    [1, 4],
  ]);
  const texts = encodeTexts(begins, ["a"], { addSpecialTokens: true });
  expect([...texts.ids]).toEqual([...begins.encode("a", { addSpecialTokens: true })]);
});

test("a text in chunks has them at its beginning and end alone", () => {
  const after = idsAfter(begins, around);
  const chunk = (text: string, before: readonly number[], behind: readonly number[]) => [
    ...encodeText(begins, Buffer.from(text), { before, after: behind }).ids,
  ];
  expect([
    ...chunk("ab", begins.template.before, []),
    ...chunk("cd", [], []),
    ...chunk("ef", [], after),
  ]).toEqual([BEGIN, ...Buffer.from("abcdef"), END]);
});
