import { describe, expect, test } from "@jest/globals";
import { byteTokenizer } from "@tessera/tokenizer";
import {
  evaluateLambada,
  splitPassage,
  evaluatePerplexity,
  tokenNll,
  tokensInMemory,
  type Engine,
} from "./index.js";

/** Says that each id is followed by the next one, with logit `weight`; all others have 0. */
function successor(weight: number, vocabularySize = 256): Engine {
  return {
    name: "native",
    vocabularySize,
    maxPositions: 64,
    rows: 1,
    run({ ids, keep }) {
      const logits = new Float32Array(keep * vocabularySize);
      ids.subarray(-keep).forEach((id, i) => {
        logits[i * vocabularySize + ((id + 1) % vocabularySize)] = weight;
      });
      return Promise.resolve(logits);
    },
    copyRow: () => undefined,
    close: () => Promise.resolve(),
  };
}

const counting = (count: number) =>
  tokensInMemory(Int32Array.from({ length: count }, (_, i) => i % 10));

describe("perplexity", () => {
  test("of a model that knows nothing is the size of its vocabulary", async () => {
    const found = await evaluatePerplexity(successor(0, 10), counting(100), {
      window: 8,
      stride: 8,
    });
    expect(found.perplexity).toBeCloseTo(10, 6);
  });

  test.each([
    [8, 8],
    [8, 3],
    [64, 64],
  ])(
    "in windows of %s, %s apart: every token that has one before it counts once",
    async (window, stride) => {
      const found = await evaluatePerplexity(successor(5, 10), counting(100), { window, stride });
      const starts = window === stride ? Math.ceil(100 / window) : 1;
      expect(found.tokens).toBe(100 - starts);
      // Each is what the model says, at the softmax of one logit of 5 among nine of 0.
      expect(found.loss).toBeCloseTo(Math.log(1 + 9 * Math.exp(-5)), 6);
    },
  );

  test("is refused for a token that the model has not, and for one token", async () => {
    const windows = { window: 8, stride: 8 };
    await expect(evaluatePerplexity(successor(1, 9), counting(20), windows)).rejects.toThrow(
      "a token is 9",
    );
    await expect(evaluatePerplexity(successor(1), counting(1), windows)).rejects.toThrow("too few");
  });

  test("does not overflow with large logits", () => {
    expect(tokenNll(Float32Array.of(3e38, 3e38), 0)).toBeCloseTo(Math.log(2), 6);
  });
});

describe("last words", () => {
  test("are right where the model would write all of their tokens", async () => {
    // Of bytes: U+001F is followed by a space, that by "!", and that by a quotation mark.
    const passages = ["a\u001f !", 'a\u001f !"\n', "a\u001f a", "x !"];
    const found = await evaluateLambada(successor(9), byteTokenizer, passages);
    expect(found).toMatchObject({ passages: 4, correct: 2, accuracy: 0.5 });
    const [right, wrong] = [Math.log(1 + 255 * Math.exp(-9)), 9 + Math.log(1 + 255 * Math.exp(-9))];
    const nats = 2 * right + 3 * right + (right + wrong) + (wrong + right);
    expect(found.perplexity).toBeCloseTo(Math.exp(nats / 4), 3);
  });

  test("are what stands behind the last space", () => {
    expect(splitPassage("a b  c\n")).toEqual(["a b", " c"]);
    expect(() => splitPassage("one ")).toThrow("fewer than two words");
  });
});
