import { describe, expect, test } from "@jest/globals";
import { eventsOf, post } from "../testing/ask.js";
import { letterLimits, lettersEngine } from "../testing/letters.js";
import { useServer, type Completion } from "../testing/use_server.js";

const { ask, complete, current, start, textsOf } = useServer();

describe("a completion", () => {
  test("has texts, why they ended, and what they took: a prompt counts once", async () => {
    await start();
    const asked = { prompt: ["abc", "x"], max_tokens: 5, n: 2, stop: "d" };
    expect(await complete(asked)).toMatchObject({
      object: "text_completion",
      model: "letters",
      choices: [
        { index: 0, text: "", finish_reason: "stop", logprobs: null },
        { index: 1, text: "", finish_reason: "stop", logprobs: null },
        { index: 2, text: "yzabc", finish_reason: "length", logprobs: null },
        { index: 3, text: "yzabc", finish_reason: "length", logprobs: null },
      ],
      usage: { prompt_tokens: 4, completion_tokens: 12, total_tokens: 16 },
    });
  });

  test("continues text, token ids, and lists of either", async () => {
    await start();
    for (const [prompt, texts] of [
      ["ab", ["cd"]],
      [
        ["ab", "x"],
        ["cd", "yz"],
      ],
      [[97, 98], ["cd"]],
      [
        [[97, 98], [120]],
        ["cd", "yz"],
      ],
    ]) {
      expect(await textsOf({ prompt, max_tokens: 2 })).toEqual(texts);
    }
  });

  test("gives prompts back where that is asked for, also alone", async () => {
    await start();
    const echo = { echo: true, prompt: ["ab", "x"] };
    expect(await textsOf({ ...echo, max_tokens: 2, n: 2 })).toEqual(["abcd", "abcd", "xyz", "xyz"]);
    expect(await textsOf({ ...echo, prompt: [97, 98], max_tokens: 1 })).toEqual(["abc"]);
    const none = await complete({ ...echo, max_tokens: 0 });
    expect(none.choices.map(({ text, finish_reason }) => [text, finish_reason])).toEqual([
      ["ab", "length"],
      ["x", "length"],
    ]);
    expect(none.usage).toEqual({ prompt_tokens: 3, completion_tokens: 0, total_tokens: 3 });
    expect(await textsOf({ prompt: "a", max_tokens: 0 })).toEqual([""]);
  });

  test.each<[string, object, string]>([
    ["16 tokens by default", {}, "bcdefghijklmnopq"],
    ["a bias for a token", { logit_bias: { "120": 100 }, max_tokens: 2 }, "xx"],
    ["a bias against a token", { logit_bias: { "98": -100, "33": 1 }, max_tokens: 1 }, "!"],
    ["stop texts", { stop: ["zz", "ef", "g"] }, "bcd"],
    ["a stop text of several tokens at the end", { stop: "de", max_tokens: 3 }, "bcd"],
    ["no more than the likeliest, by top_k", { top_k: 1, temperature: 2, max_tokens: 2 }, "bc"],
    ["by top_p", { top_p: 0, temperature: 2, max_tokens: 2 }, "bc"],
    ["by min_p", { min_p: 1, temperature: 2, max_tokens: 2 }, "bc"],
    ["all of them, by top_k -1", { top_k: -1, max_tokens: 2 }, "bc"],
    [
      "penalties for what was sampled, not for the prompt",
      { prompt: "bcda", presence_penalty: 2, frequency_penalty: 2, max_tokens: 2 },
      "bc",
    ],
  ])("has %s", async (_name, asked, text) => {
    await start();
    expect(await textsOf({ prompt: "a", temperature: 0, ...asked })).toEqual([text]);
  });

  test("penalizes what was sampled before, and what was seen", async () => {
    // A bias keeps "x" likeliest until penalties have grown above it.
    await start();
    const asked = { prompt: "a", temperature: 0, logit_bias: { "120": 51 }, max_tokens: 3 };
    expect(await textsOf(asked)).toEqual(["xxx"]);
    expect(await textsOf({ ...asked, presence_penalty: 2 })).toEqual(["xyz"]);
    expect(await textsOf({ ...asked, frequency_penalty: 0.6 })).toEqual(["xxy"]);
    expect(await textsOf({ ...asked, repetition_penalty: 2 })).toEqual(["xyz"]);
  });

  test("is the same for the same seed, of either sign, and another for another", async () => {
    await start({ engine: lettersEngine({ peak: 0 }) });
    const letters = Array.from("abcdefgh", (letter) => [letter.charCodeAt(0), 100]);
    const logit_bias = Object.fromEntries(letters) as object;
    const asked = { prompt: "a", logit_bias, n: 2, max_tokens: 8 };
    const [one, again, other, negative] = await Promise.all(
      [1, 1, 5, -5].map((seed) => textsOf({ ...asked, seed })),
    );
    expect(again).toEqual(one);
    expect(new Set([...one!, ...other!, ...negative!]).size).toBe(6);
    expect(await textsOf({ ...asked, seed: -5 })).toEqual(negative);
  });

  test("can be the best of several", async () => {
    await start({ limits: { ...letterLimits, maxTexts: 20 } });
    // A third of all texts are "b", which alone is likely as far as the model goes.
    const asked = { prompt: "a", logit_bias: { "98": -45 }, max_tokens: 1, seed: 3 };
    const best = await complete({ ...asked, n: 2, best_of: 20 });
    expect(best.choices.map(({ text, index }) => [text, index])).toEqual([
      ["b", 0],
      ["b", 1],
    ]);
    expect(best.choices[0]!.logprobs).toBeNull();
    expect(best.usage).toEqual({ prompt_tokens: 1, completion_tokens: 20, total_tokens: 21 });
  });

  test("streams with what it took at the end, where that is asked for", async () => {
    await start();
    const asked = { prompt: ["ab", "x"], max_tokens: 3, n: 2, stream: true };
    const plain = (await eventsOf(await ask(asked))) as Completion[];
    for (const event of plain) expect(event).not.toHaveProperty("usage");
    const options = { stream_options: { include_usage: true } };
    const events = (await eventsOf(await ask({ ...asked, ...options }))) as Completion[];
    expect(events.at(-1)).toMatchObject({
      choices: [],
      usage: { prompt_tokens: 3, completion_tokens: 12, total_tokens: 15 },
    });
    for (const event of events.slice(0, -1)) expect(event.usage).toBeNull();
  });
});

test("Megatron's /api gives prompts with what follows", async () => {
  await start();
  const asked = { prompts: ["abc", "x"], tokens_to_generate: 4, top_k: 1, random_seed: 3 };
  const response = await post(`${current().address}/api`, asked, { method: "PUT" });
  expect(await response.json()).toEqual({
    text: ["abcdefg", "xyzab"],
    segments: null,
    logprobs: null,
  });
});
