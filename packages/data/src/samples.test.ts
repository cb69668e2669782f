import { describe, expect, test } from "@jest/globals";
import { UserError } from "@tessera/config";
import { createFeed, sequentialOrder, shuffledOrder } from "./index.js";
import {
  splitWindows,
  createTokenArray,
  tokenizeTexts,
  tokenWindows,
  type Encoder,
} from "./texts.js";

const upTo = (count: number) => Array.from({ length: count }, (_, i) => i);
const tokens = Int32Array.from(upTo(1000));

describe("tokens of texts", () => {
  const letters = (vocabularySize: number, endOfText: number | null): Encoder => ({
    vocabularySize,
    endOfText,
    encode: (text) => Int32Array.from(text, (letter) => letter.charCodeAt(0)),
  });
  const texts = [{ text: "ab" }, { text: "" }, { text: "c" }];

  test("are concatenated, each text with its end-of-text id, if there is one", () => {
    expect([...tokenizeTexts(texts, letters(256, null))]).toEqual([97, 98, 99]);
    expect([...tokenizeTexts(texts, letters(256, 0))]).toEqual([97, 98, 0, 0, 99, 0]);
  });

  test.each([
    [256, Uint8Array],
    [257, Uint16Array],
    [65_536, Uint16Array],
    [65_537, Int32Array],
  ])("of a vocabulary of %d take no more bytes than they need", (size, type) => {
    expect(tokenizeTexts(texts, letters(size, size - 1))).toBeInstanceOf(type);
    expect(createTokenArray(1, size).fill(size - 1)[0]).toBe(size - 1);
  });
});

describe("windows", () => {
  test.each([1, 2, 7, 333, 999])("of %d: their targets are the text, each token once", (length) => {
    const windows = tokenWindows(tokens, length);
    expect(windows.count).toBe(Math.floor(999 / length));
    const seen: number[] = [];
    const out = new Int32Array(length + 1);
    for (let i = 0; i < windows.count; i += 1) {
      windows.read(i, out);
      expect(out[0]).toBe(i * length);
      seen.push(...out.subarray(1));
    }
    expect(seen).toEqual(upTo(windows.count * length).map((i) => i + 1));
  });

  test("outside the text are a RangeError", () => {
    const windows = tokenWindows(tokens, 10);
    const out = new Int32Array(11);
    for (const index of [-1, 99, 1.5, NaN]) {
      expect(() => windows.read(index, out)).toThrow(RangeError);
    }
  });

  test("split: validation is the end of the text, and no token is in both", () => {
    const { train, validation } = splitWindows(tokens, { length: 9, validation: 0.1 });
    expect([...train.tokens]).toEqual(upTo(900));
    expect([...validation!.tokens]).toEqual(upTo(100).map((i) => 900 + i));
    expect([train.count, validation!.count]).toEqual([99, 11]);
    const uneven = splitWindows(tokens.subarray(0, 17), { length: 1, validation: 0.1 });
    expect(uneven.validation!.tokens).toHaveLength(2); // its share or more, of whole tokens
    expect(splitWindows(tokens, { length: 9, validation: 0 })).toMatchObject({
      train: { count: 111 },
      validation: null,
    });
  });

  test.each([
    [
      1000,
      0.1,
      "the training part of the text has 900 tokens, but one window of 1000 needs 1001: " +
        "give more text or a shorter window",
    ],
    [
      100,
      0.1,
      "the validation part of the text has 100 tokens, but one window of 100 needs 101: " +
        "give more text or a shorter window",
    ],
    [0, 0.1, "a window of 0 tokens: must be a whole number, at least 1"],
    [9, 1, "the validation fraction is 1: must be from 0 to below 1"],
    [9, NaN, "the validation fraction is NaN: must be from 0 to below 1"],
  ])("of %d with %d to validate on are refused", (length, validation, message) => {
    expect(() => splitWindows(tokens, { length, validation })).toThrow(new UserError(message));
  });

  test("the shortest text has one window", () => {
    expect(tokenWindows(tokens.subarray(0, 11), 10).count).toBe(1);
    expect(() => tokenWindows(tokens.subarray(0, 10), 10)).toThrow(UserError);
    expect(() => tokenWindows(tokens.subarray(0, 0), 10)).toThrow(UserError);
  });
});

describe("a shuffled order", () => {
  const taken = (count: number, seed: number, first: number, size: number) => {
    const order = shuffledOrder(count, seed);
    return upTo(size).map((n) => order.at(first + n));
  };

  test.each([1, 2, 13, 100])("takes each of %d samples once in every epoch", (count) => {
    for (let epoch = 0; epoch < 4; epoch += 1) {
      const sorted = taken(count, 5, epoch * count, count).sort((a, b) => a - b);
      expect(sorted).toEqual(upTo(count));
    }
  });

  test("differs in each epoch and for each seed", () => {
    const orders = [0, 100, 200].flatMap((first) =>
      [1, 2, 2 ** 40].map((seed) => taken(100, seed, first, 100).join()),
    );
    expect(new Set(orders).size).toBe(9);
  });

  test("is a function of seed and number: it can be resumed anywhere", () => {
    const whole = taken(13, 7, 0, 60);
    for (const consumed of [0, 1, 12, 13, 14, 40]) {
      expect(taken(13, 7, consumed, 60 - consumed)).toEqual(whole.slice(consumed));
    }
    const order = shuffledOrder(13, 7);
    for (const n of [59, 0, 26, 25, 12, 13]) expect(order.at(n)).toBe(whole[n]);
  });
});

describe("a batch", () => {
  const windows = tokenWindows(tokens, 4);

  test("has the samples of its order in its rows, and as targets the tokens after them", () => {
    const batch = createFeed(windows, { order: { at: (n) => [7, 0, 3][n]! } }).batch(0, 3);
    expect(batch).toMatchObject({ batch: 3, time: 4 });
    expect([...batch.inputs]).toEqual([28, 29, 30, 31, 0, 1, 2, 3, 12, 13, 14, 15]);
    expect([...batch.targets]).toEqual([...batch.inputs].map((token) => token + 1));
  });

  test("crosses the end of an epoch", () => {
    const feed = createFeed(windows, { order: sequentialOrder(windows.count) });
    const { inputs } = feed.batch(windows.count - 1, 2);
    expect([...inputs]).toEqual([992, 993, 994, 995, 0, 1, 2, 3]);
  });

  test("is the same whether it is taken at once, in parts, or by several ranks", () => {
    const order = shuffledOrder(windows.count, 3);
    const whole = createFeed(windows, { order }).batch(240, 12).inputs;
    for (const ranks of [2, 3, 4]) {
      const size = 12 / ranks;
      const parts = upTo(ranks).map((rank) =>
        createFeed(windows, { order: shuffledOrder(windows.count, 3) }).batch(
          240 + rank * size,
          size,
        ),
      );
      expect(parts.flatMap(({ inputs }) => [...inputs])).toEqual([...whole]);
    }
  });
});
