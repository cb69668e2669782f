import { describe, expect, test } from "@jest/globals";
import { encode as oracle } from "gpt-tokenizer/encoding/r50k_base";
import { readFileSync } from "node:fs";
import {
  bpeTokenizer,
  specialTokens,
  tiktokenPatterns,
  type AddedToken,
  type BpeModel,
  byteTokenizer,
  decodeStream,
  gpt2Tokenizer,
  paddedVocabularySize,
  tokenizerByName,
  tokenizerNames,
  tokenOffsets,
} from "./index.js";
import { splitFinderOf } from "./batch/split_point.js";
import { knownPatterns } from "./bpe/known_patterns.js";
import { createLinearMerge, createHeapMerge } from "./bpe/merge.js";
import { createPairTable } from "./bpe/pair_table.js";

const gpt2 = gpt2Tokenizer();
const ISOLATED = { behavior: "Isolated", invert: false } as const;
const [ADDED] = specialTokens([["<x>", 300]]) as [AddedToken];
const both = [byteTokenizer, gpt2].map((tokenizer) => [tokenizer.name, tokenizer] as const);

/** Numbers in [0, 1) from a fixed seed (mulberry32). */
function randomNumbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let x = Math.imul(state ^ (state >>> 15), 1 | state);
    x ^= x + Math.imul(x ^ (x >>> 7), 61 | x);
    return ((x ^ (x >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Texts of characters that are drawn from [from, to), without lone surrogates. */
function randomTexts(count: number, length: number, [from, to]: readonly [number, number]) {
  const next = randomNumbers(from + to);
  const character = () => {
    const point = from + Math.floor(next() * (to - from));
    return point >= 0xd800 && point < 0xe000 ? " " : String.fromCodePoint(point);
  };
  return Array.from({ length: count }, () => Array.from({ length }, character).join(""));
}

const ranges = [
  [0x00, 0x80],
  [0x20, 0x30],
  [0x61, 0x66],
  [0x80, 0x800],
  [0x1f300, 0x1f700],
  [0x00, 0x110000],
] as const;

const golden = JSON.parse(
  readFileSync(new URL("../fixtures/tokens.json", import.meta.url), "utf8"),
) as readonly { readonly text: string; readonly ids: readonly number[] }[];

describe("gpt2 gives the ids of the original", () => {
  test.each(golden.map(({ text, ids }) => [JSON.stringify(text), text, ids] as const))(
    "%s",
    (_name, text, ids) => {
      expect([...gpt2.encode(text)]).toEqual(ids);
      expect(gpt2.decode(ids)).toBe(text);
    },
  );
});

test("gpt2 agrees with another implementation on random words", () => {
  // Ranges without U+0085 and U+FEFF, on which that implementation departs from the original.
  for (const range of [ranges[0], ranges[1], ranges[2], ranges[4]]) {
    for (const text of randomTexts(50, 40, range)) {
      expect([...gpt2.encode(text)]).toEqual(oracle(text));
    }
  }
});

describe.each(both)("%s", (_name, tokenizer) => {
  test("decodes what it encodes, whatever the text", () => {
    for (const range of ranges) {
      for (const text of randomTexts(100, 50, range)) {
        const ids = tokenizer.encode(text);
        expect(tokenizer.decode(ids)).toBe(text);
        expect(ids.every((id) => id >= 0 && id < tokenizer.vocabularySize)).toBe(true);
      }
    }
  });

  test("keeps a byte order mark, and replaces a lone surrogate", () => {
    expect(tokenizer.decode(tokenizer.encode("\ufeffx\ufeff"))).toBe("\ufeffx\ufeff");
    expect(tokenizer.decode(tokenizer.encode("a\ud83d"))).toBe("a\ufffd");
  });

  test("decodes broken UTF-8 and foreign ids to U+FFFD", () => {
    const cut = tokenizer.encode("\u{1f642}").slice(0, 1);
    expect(tokenizer.decode(cut)).toBe("\ufffd");
    expect(tokenizer.decode([...tokenizer.encode("a"), 60_000, -1, 0.5])).toBe(
      "a\ufffd\ufffd\ufffd",
    );
  });

  test("streams the text that it decodes at once, and never part of a character", () => {
    const text = "caf\u00e9 \u65e5\u672c\u8a9e \u{1f642}\u{1f469}\u200d\u{1f467}\ufeff";
    const ids = tokenizer.encode(text);
    const stream = decodeStream(tokenizer);
    const parts = [...ids].map((id) => stream.push(id));
    expect([...parts, stream.end()].join("")).toBe(text);
    expect(parts.join("")).not.toContain("\ufffd");

    const cut = decodeStream(tokenizer);
    const [first] = tokenizer.encode("\u{1f642}");
    expect([cut.push(first!), cut.end()]).toEqual(["", "\ufffd"]);
  });

  test.each([
    ["letters", "a"],
    ["spaces", " "],
    ["emoji", "\u{1f642}"],
    ["signs", "="],
  ])("is not slowed down by two million equal %s", (_what, character) => {
    // Where each merge looked at all tokens, it would take an hour.
    const text = character.repeat(2_000_000);
    expect(tokenizer.decode(tokenizer.encode(text))).toBe(text);
  });
});

test("the bytes are their own ids", () => {
  expect([...byteTokenizer.encode("a\u00e9")]).toEqual([0x61, 0xc3, 0xa9]);
  expect(byteTokenizer).toMatchObject({ vocabularySize: 256, endOfText: null });
});

test("gpt2 has 50257 ids, each its own, and the last ends a text", () => {
  expect(gpt2).toMatchObject({ vocabularySize: 50_257, endOfText: 50_256 });
  const tokens = Array.from({ length: 50_257 }, (_, id) =>
    Buffer.from(gpt2.bytesOf(id)!).toString("latin1"),
  );
  expect(new Set(tokens).size).toBe(50_257);
  expect(gpt2.decode([gpt2.endOfText!])).toBe("<|endoftext|>");
});

test("gpt2 takes a text that looks like the end of a text as text", () => {
  const ids = gpt2.encode("<|endoftext|>");
  expect(ids).not.toContain(gpt2.endOfText);
  expect(gpt2.decode(ids)).toBe("<|endoftext|>");
});

test("a tokenizer is found by its name, and a wrong name is answered with the right ones", () => {
  expect(tokenizerNames.map((name) => tokenizerByName(name).name)).toEqual([...tokenizerNames]);
  expect(() => tokenizerByName("bert")).toThrow(
    'there is no tokenizer called "bert": choose one of bytes, gpt2',
  );
});

test("gpt2 gives back any bytes, UTF-8 or not", () => {
  const next = randomNumbers(7);
  for (let n = 0; n < 300; n += 1) {
    const bytes = Uint8Array.from({ length: n }, () => Math.floor(next() * 256));
    const ids = gpt2.encodeBytes(bytes);
    expect(Buffer.concat([...ids].map((id) => gpt2.bytesOf(id)!)).equals(bytes)).toBe(true);
  }
});

test("both ways to merge give the same, also where a merge makes a lower rank possible", () => {
  const next = randomNumbers(3);
  for (let vocabulary = 0; vocabulary < 20; vocabulary += 1) {
    const merges = Int32Array.from({ length: 3 * 40 }, (_, i) =>
      i % 3 === 2 ? 4 + (i - 2) / 3 : Math.floor(next() * 12),
    );
    const pairs = createPairTable(merges, false);
    for (let length = 1; length < 60; length += 1) {
      const few = Int32Array.from({ length }, () => Math.floor(next() * 4));
      const many = few.slice();
      const left = createLinearMerge(pairs)(few, length);
      expect(createHeapMerge(pairs)(many, length)).toBe(left);
      expect(many.slice(0, left)).toEqual(few.slice(0, left));
    }
  }
});

test.each(tiktokenPatterns)(
  "a text that is cut where it may be has the ids of the whole: %s",
  (name) => {
    const next = randomNumbers(11);
    const parts = [
      "a",
      "B",
      " ",
      "  ",
      "\n",
      "'s",
      "'",
      "7",
      "!",
      "/",
      "\r",
      "\u00e9",
      "\u3000",
      "\u{1f642}",
    ];
    const step = { regex: knownPatterns[name], behavior: "Isolated", invert: false } as const;
    const tokenizer = bpeTokenizer({
      ...gpt2.model,
      preTokenizer: name === "gpt2" ? ["gpt2"] : [step],
    });
    const findSplit = splitFinderOf(tokenizer);
    let cuts = 0;
    for (let n = 0; n < 1000; n += 1) {
      const text = Array.from({ length: 20 }, () => parts[Math.floor(next() * parts.length)]).join(
        "",
      );
      const bytes = Buffer.from(text);
      const cut = findSplit(bytes);
      cuts += Number(cut > 0);
      const apart = [bytes.subarray(0, cut), bytes.subarray(cut)].flatMap((part) => [
        ...tokenizer.encodeBytes(part),
      ]);
      expect(apart).toEqual([...tokenizer.encodeBytes(bytes)]);
    }
    expect(cuts).toBeGreaterThan(200);
  },
);

test.each<[string, Partial<BpeModel>]>([
  ["a space before each text", { preTokenizer: ["prefixSpace", "gpt2"] }],
  ["a pattern that is not known", { preTokenizer: [{ regex: "a b", ...ISOLATED }] }],
  ["no pattern", { preTokenizer: [] }],
  ["a token with a space in it", { added: specialTokens([["a b", 300]]) }],
  ["a token that takes spaces", { added: [{ ...ADDED, stripsRight: true }] }],
])("a text is not cut for a tokenizer with %s", (_what, rules) => {
  const findSplit = splitFinderOf(bpeTokenizer({ ...gpt2.model, ...rules }));
  expect(findSplit(Buffer.from("to be or not to be\n\nthat is the question"))).toBe(0);
});

describe("special tokens in a text", () => {
  const text = "a<|endoftext|>b<|endoftext|>";

  test("are tokens where they are allowed", () => {
    const [a, b] = [...gpt2.encode("a"), ...gpt2.encode("b")];
    expect([...gpt2.encode(text, { special: "allow" })]).toEqual([a, 50_256, b, 50_256]);
  });

  test("are refused where they must not be, with their place", () => {
    expect(() => gpt2.encode(`\u00e9${text}`, { special: "refuse" })).toThrow(
      /has the special token <\|endoftext\|> at byte 3/,
    );
    expect(gpt2.encode("a", { special: "refuse" })).toEqual(gpt2.encode("a"));
  });
});

test("offsets are where the tokens stand, and cover the text", () => {
  const text = "Hello w\u00f6rld \u{1f642}!";
  const ids = gpt2.encode(text);
  const offsets = tokenOffsets(gpt2, text, ids);
  offsets.forEach(([start, end], i) => {
    const token = gpt2.decode([ids[i]!]);
    if (!token.includes("\ufffd")) expect(text.slice(start, end)).toBe(token);
  });
  expect(offsets[0]).toEqual([0, 5]);
  expect(offsets.at(-1)).toEqual([text.length - 1, text.length]);
  expect(offsets.every(([start], i) => i === 0 || start <= offsets[i - 1]![1])).toBe(true);
  expect(offsets.map(([start, end]) => text.slice(start, end))).toContain(" \u{1f642}");
});

test.each([
  [50_257, 128, 1, 50_304],
  [50_257, 128, 8, 51_200],
  [50_304, 128, 1, 50_304],
])(
  "%d ids padded to a multiple of %d for %d ranks are %d",
  (size, divisibleBy, tensorParallel, padded) => {
    expect(paddedVocabularySize(size, { divisibleBy, tensorParallel })).toBe(padded);
  },
);

test("16 million emoji are one piece, and no trouble", () => {
  const count = 2 ** 24;
  const bytes = Buffer.alloc(4 * count, "\u{1f642}");
  expect(gpt2.encodeBytes(bytes)).toHaveLength(2 * count);
});
