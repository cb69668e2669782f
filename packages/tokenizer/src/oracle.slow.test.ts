// Ids of drawn texts, against Hugging Face's tokenizers reading the same tokenizer.json.

import { expect, test } from "@jest/globals";
import { writeFileSync } from "node:fs";
import { runOracle, scratchFolder, seededRandom } from "@tessera/testing";
import { createRequire } from "node:module";
import { knownPatterns } from "./bpe/known_patterns.js";
import {
  bpeTokenizer,
  gpt2Model,
  openTokenizer,
  readTiktoken,
  readTokenizerJson,
  tiktokenPatterns,
  writeTokenizerJson,
} from "./index.js";
import { variants } from "./programs/variants.js";
import { countWords, trainBpe } from "./train.js";

const at = scratchFolder("tokenizer-oracle");

const VARIANTS = `
import json, sys
from tokenizers import Tokenizer
given = json.load(sys.stdin)
ids = []
for path in given["paths"]:
    tokenizer = Tokenizer.from_file(path)
    ids.append([one.ids for one in tokenizer.encode_batch(given["texts"], add_special_tokens=False)])
print(json.dumps(ids))
`;

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

/** Zero, and characters that are in Unicode since version 15, which not all of these libraries know. */
const NEWER =
  /[\0\u0295\u088f\u0897\u0c5c\u0cdc\u1acf-\u1aff\u1c89-\u1c8f\u20c1\u2427-\u2429\u2b96\u2ffc-\u2fff]/u;

function drawTexts(count: number, seed: number): string[] {
  const draw = seededRandom(seed);
  const below = (limit: number): number => Math.floor(limit * draw());
  const piece = (): string => {
    if (below(8) > 0) return PIECES[below(PIECES.length)]!;
    const character = String.fromCodePoint(below(0x3000));
    return NEWER.test(character) ? "\u0001" : character;
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

test("files with each part that is followed, and what is written of them, give tokenizers' ids", () => {
  const texts = drawTexts(100, 3);
  const paths = variants.flatMap(({ file }, i) => {
    const [given, written] = [at(`given-${i}.json`), at(`written-${i}.json`)];
    writeFileSync(given, JSON.stringify(file));
    writeTokenizerJson(written, readTokenizerJson(given));
    return [given, written];
  });
  const expected = runOracle(["tokenizers==0.23.3"], VARIANTS, { paths, texts }) as Ids[];
  paths.forEach((path, i) => {
    const { name } = variants[i >> 1]!;
    const ours = openTokenizer(path);
    texts.forEach((text, t) => {
      const ids = [...ours.encode(text, { special: "allow" })];
      expect({ name, path, text, ids }).toEqual({ name, path, text, ids: expected[i]![t] });
    });
  });
});

const TIKTOKEN = `
import base64, json, sys
import tiktoken
from tiktoken_ext.openai_public import ENCODING_CONSTRUCTORS
given = json.load(sys.stdin)
ranks = {}
for line in open(given["path"], "rb").read().splitlines():
    token, rank = line.split()
    ranks[base64.b64decode(token)] = int(rank)
import tiktoken.load, tiktoken_ext.openai_public as public
public.load_tiktoken_bpe = lambda *args, **kwargs: ranks
def ids(pattern):
    encoding = tiktoken.Encoding("one", pat_str=pattern, mergeable_ranks=ranks, special_tokens={})
    return [encoding.encode_ordinary(text) for text in given["texts"]]
published = {"gpt2": "r50k_base", "cl100k_base": "cl100k_base", "o200k_base": "o200k_base"}
patterns = {ours: ENCODING_CONSTRUCTORS[name]()["pat_str"] for ours, name in published.items()}
print(json.dumps({name: ids(pattern) for name, pattern in {**patterns, **given["patterns"]}.items()}))
`;

test("a rank file with each of the patterns gives tiktoken's ids", () => {
  const path = createRequire(__filename).resolve("gpt-tokenizer/data/r50k_base.tiktoken");
  const texts = [...drawTexts(2000, 4), "a\n  ", "x \r\n ", "don\u2019t 'S '\u017f", "end\n/a//\n"];
  const { llama3, qwen2 } = knownPatterns;
  const expected = runOracle(["tiktoken==0.14.0"], TIKTOKEN, {
    ...{ path, texts, patterns: { llama3, qwen2 } },
  }) as Readonly<Record<string, Ids>>;
  for (const pattern of tiktokenPatterns) {
    const ours = bpeTokenizer(readTiktoken(path, { pattern }));
    texts.forEach((text, t) => {
      const ids = [...ours.encode(text)];
      expect({ pattern, text, ids }).toEqual({ pattern, text, ids: expected[pattern]![t] });
    });
  }
});

type Ids = readonly (readonly number[])[];
