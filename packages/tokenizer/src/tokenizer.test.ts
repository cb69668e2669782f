import { describe, expect, test } from "@jest/globals";
import { encode as oracle } from "gpt-tokenizer/encoding/r50k_base";
import { readFileSync } from "node:fs";
import {
  byteTokenizer,
  decodeStream,
  gpt2Tokenizer,
  tokenizerByName,
  tokenizerNames,
} from "./index.js";

const gpt2 = gpt2Tokenizer();
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
  ])("is not slowed down by 100,000 equal %s", (_what, character) => {
    const text = character.repeat(100_000);
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
