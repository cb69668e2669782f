import { describe, expect, test } from "@jest/globals";
import { streamKey, uniformAt } from "@tessera/random";
import { byteTokenizer, gpt2Tokenizer, type Tokenizer } from "@tessera/tokenizer";
import { rankToken } from "./logprobs.js";
import { sampleToken, greedy, createTextStream, type Sampling } from "./index.js";

const logits = Float32Array.from([0, 2, 1, -1, 1.5]);
const key = streamKey(1, "draws");

/** How often each token is drawn. */
function shares(changes: Partial<Sampling>, seen: number[] = [], sampled = seen): number[] {
  const history = { seen, sampled };
  const counts = [0, 0, 0, 0, 0];
  const draws = 4000;
  for (let n = 0; n < draws; n += 1) {
    counts[sampleToken(logits, { ...greedy, ...changes }, uniformAt(key, n), history)]! += 1;
  }
  return counts.map((count) => count / draws);
}

/** The softmax of some logits. */
function softmax(values: readonly number[]): number[] {
  const weights = values.map(Math.exp);
  const total = weights.reduce((a, b) => a + b);
  return weights.map((weight) => weight / total);
}

describe("a choice", () => {
  const none = -Infinity;
  test.each<[string, Parameters<typeof shares>[0], number[], number[]]>([
    ["temperature 0", {}, [none, 2, none, none, none], []],
    ["temperature 1", { temperature: 1 }, [0, 2, 1, -1, 1.5], []],
    ["temperature 0.5", { temperature: 0.5 }, [0, 4, 2, -2, 3], []],
    ["top-k 2", { temperature: 1, topK: 2 }, [none, 2, none, none, 1.5], []],
    ["top-k above the vocabulary", { temperature: 1, topK: 9 }, [0, 2, 1, -1, 1.5], []],
    ["top-p 0.5", { temperature: 1, topP: 0.5 }, [none, 2, none, none, 1.5], []],
    ["top-p 0.1", { temperature: 1, topP: 0.1 }, [none, 2, none, none, none], []],
    ["top-k 3, top-p 0.6", { temperature: 1, topK: 3, topP: 0.6 }, [none, 2, none, none, 1.5], []],
    ["top-p 0", { temperature: 1, topP: 0 }, [none, 2, none, none, none], []],
    ["min-p 0.5", { temperature: 1, minP: 0.5 }, [none, 2, none, none, 1.5], []],
    ["min-p 0.3, temperature 2", { temperature: 2, minP: 0.3 }, [0, 1, 0.5, none, 0.75], []],
    ["min-p 1", { temperature: 1, minP: 1 }, [none, 2, none, none, none], []],
    [
      "a repetition penalty",
      { temperature: 1, repetitionPenalty: 2 },
      [0, 1, 1, -2, 1.5],
      [1, 3, 1, 99],
    ],
    ["a reward", { temperature: 1, repetitionPenalty: 0.5 }, [0, 2, 2, -1, 1.5], [2]],
    [
      "a presence penalty",
      { temperature: 1, presencePenalty: 1 },
      [0, 1, 1, -2, 1.5],
      [1, 3, 1, 99],
    ],
    [
      "a frequency penalty",
      { temperature: 1, frequencyPenalty: 0.5 },
      [0, 1, 1, -1.5, 1.5],
      [1, 3, 1],
    ],
    [
      "a bias",
      {
        temperature: 1,
        logitBias: new Map([
          [3, 4],
          [1, -100],
        ]),
      },
      [0, none, 1, 3, 1.5],
      [],
    ],
    ["a bias at temperature 0", { logitBias: new Map([[3, 4]]) }, [none, none, none, 3, none], []],
  ])("with %s follows its distribution", (_name, changes, expected, seen) => {
    const found = shares(changes, seen);
    softmax(expected).forEach((share, id) => {
      expect(Math.abs(found[id]! - share)).toBeLessThan(0.025);
      if (share === 0) expect(found[id]).toBe(0);
    });
  });

  test("has presence and frequency penalties for what was sampled, not for the prompt", () => {
    const found = shares({ presencePenalty: 9, frequencyPenalty: 9 }, [1, 1], []);
    expect(found).toEqual([0, 1, 0, 0, 0]);
  });

  test("does not hang on the order of nearly equal logits", () => {
    const sampling = { ...greedy, temperature: 1, topP: 0.99 };
    const near = Float32Array.from({ length: 50 }, (_, i) => 1 + 1e-7 * ((i * 17) % 5));
    const other = near.map((value, i) => value + (i % 2 === 0 ? 1e-6 : -1e-6));
    for (let n = 0; n < 200; n += 1) {
      const uniform = uniformAt(key, n);
      expect(sampleToken(near, sampling, uniform)).toBe(sampleToken(other, sampling, uniform));
    }
  });

  test("is refused where logits are no numbers", () => {
    expect(() => sampleToken(Float32Array.from([NaN, NaN]), greedy, 0.5)).toThrow(/logit of NaN/);
  });
});

describe("log-probabilities", () => {
  test("are those of the softmax, the likeliest first, and of equals the first", () => {
    const expected = softmax([...logits, 2]).map(Math.log);
    const { id, logprob, top } = rankToken(Float32Array.from([...logits, 2]), 3, 3);
    expect(id).toBe(3);
    expect(logprob).toBeCloseTo(expected[3]!, 12);
    expect(top.map((one) => one.id)).toEqual([1, 5, 4]);
    top.forEach((one) => expect(one.logprob).toBeCloseTo(expected[one.id]!, 12));
    expect(rankToken(logits, 0, 0).top).toEqual([]);
    expect(rankToken(logits, 0, 9).top.map((one) => one.id)).toEqual([1, 4, 2, 0, 3]);
  });
});

describe("shown text", () => {
  const push = (ids: Iterable<number>, stops: string[], tokenizer: Tokenizer = byteTokenizer) => {
    const shown = createTextStream(tokenizer, stops);
    const pieces = [...ids].map((id) => shown.push(id));
    return { pieces: [...pieces, shown.end()], stopped: shown.isStopped };
  };

  test("holds back what may begin a stop text, and gives it when it does not", () => {
    const { pieces, stopped } = push(byteTokenizer.encode("one\ntwo\n\nthree"), ["\n\n"]);
    expect(pieces.join("")).toBe("one\ntwo");
    expect(pieces[3]).toBe("");
    expect(pieces[4]).toBe("\nt");
    expect(stopped).toBe(true);
    expect(push(byteTokenizer.encode("a\n"), ["\n\n"])).toEqual({
      pieces: ["a", "", "\n"],
      stopped: false,
    });
  });

  test("never splits a character, and marks one that was cut short", () => {
    const tokenizer = gpt2Tokenizer();
    const text = "caf\u00e9 \u{1f600} \u4e2d\u6587";
    const { pieces } = push(tokenizer.encode(text), [], tokenizer);
    expect(pieces.join("")).toBe(text);
    for (const piece of pieces) expect(piece).not.toMatch(/\ufffd/);
    expect(push(byteTokenizer.encode("\u00e9").subarray(0, 1), []).pieces).toEqual(["", "\ufffd"]);
  });
});
