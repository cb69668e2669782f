// Ids of drawn texts, against Hugging Face's tokenizers reading the same tokenizer.json.

import { expect, test } from "@jest/globals";
import { runOracle, scratchFolder, seededRandom } from "@tessera/testing";
import { gpt2Model, openTokenizer, writeTokenizerJson } from "./index.js";
import { countWords, trainBpe } from "./train.js";

const at = scratchFolder("tokenizer-oracle");

const SCRIPT = `
import json, sys
from tokenizers import Tokenizer
given = json.load(sys.stdin)
tokenizer = Tokenizer.from_file(given["path"])
ids = [tokenizer.encode(text, add_special_tokens=False).ids for text in given["texts"]]
print(json.dumps({"ids": ids, "texts": [tokenizer.decode(one, skip_special_tokens=False) for one in ids]}))
`;

/** Words, white space of every kind, digits, contractions, and characters of all lengths in UTF-8. */
const PIECES = [
  ..."the of and 'll 're 's 'T don't 12 3456 ½ ٣ 二 naïve Größe привет 東京 한국어 नमस्ते".split(" "),
  ...[" ", "  ", "\t", "\n", "\r\n", "\u00a0", "\u2003", "\u3000", "\u0085", "\u200b", "\u2028"],
  ...[
    "!",
    "...",
    "--",
    "(",
    ")",
    "_",
    "'",
    "\u2019",
    "\u0301",
    "\u200d",
    "👩‍👩‍👧",
    "🇩🇪",
    "\u{1d49c}",
    "\u{10ffff}",
  ],
];

function drawTexts(count: number, seed: number): string[] {
  const draw = seededRandom(seed);
  const below = (limit: number): number => Math.floor(limit * draw());
  const piece = (): string => {
    if (below(8) > 0) return PIECES[below(PIECES.length)]!;
    const code = below(0x3000);
    return String.fromCodePoint(code === 0 ? 1 : code);
  };
  return Array.from({ length: count }, () => Array.from({ length: 1 + below(30) }, piece).join(""));
}

function trained() {
  const words = countWords();
  for (const text of drawTexts(500, 1)) words.add(Buffer.from(text));
  return trainBpe(words, { vocabularySize: 700 });
}

test.each([
  ["GPT-2's vocabulary", gpt2Model],
  ["one that is trained here", trained],
] as const)("%s gives tokenizers' ids and texts", (_name, model) => {
  const path = at("tokenizer.json");
  writeTokenizerJson(path, model());
  const texts = drawTexts(5000, 2);
  const ours = openTokenizer(path);
  const expected = runOracle(["tokenizers==0.23.3"], SCRIPT, { path, texts }) as {
    readonly ids: readonly (readonly number[])[];
    readonly texts: readonly string[];
  };
  texts.forEach((text, i) => {
    const ids = [...ours.encode(text)];
    expect({ text, ids }).toEqual({ text, ids: expected.ids[i] });
    expect(ours.decode(ids)).toBe(expected.texts[i]);
  });
  expect(expected.ids).toHaveLength(5000);
});
