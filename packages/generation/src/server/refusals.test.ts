import { describe, expect, test } from "@jest/globals";
import { letterLimits, lettersEngine } from "../testing/letters.js";
import { useServer } from "../testing/use_server.js";

const { ask, start, textsOf } = useServer();

describe("a completion is refused in a sentence that names", () => {
  const engine = lettersEngine({ maxPositions: 20 });
  test.each<[string, object, string | null, string, RegExp]>([
    [
      "tokens over the limit",
      { max_tokens: 2001 },
      "max_tokens",
      "integer_above_max_value",
      /2000/,
    ],
    ["tokens below none", { max_tokens: -1 }, "max_tokens", "integer_below_min_value", /0/],
    ["tokens of text", { max_tokens: "9" }, "max_tokens", "invalid_type", /number/],
    ["parts of a token", { max_tokens: 1.5 }, "max_tokens", "invalid_value", /whole number/],
    [
      "too many prompts",
      { prompt: Array(9).fill("a") },
      "prompt",
      "invalid_value",
      /9 .* at most 8/,
    ],
    ["too many choices", { n: 9 }, "n", "invalid_value", /at most 8/],
    ["far too many choices", { n: 2 ** 30 }, "n", "integer_above_max_value", /128/],
    ["no choice", { n: 0 }, "n", "integer_below_min_value", /1/],
    ["a long prompt", { prompt: "a".repeat(1001) }, "prompt", "context_length_exceeded", /1000/],
    [
      "a prompt over the context",
      { prompt: "a".repeat(21) },
      "prompt",
      "context_length_exceeded",
      /20 tokens, the prompt has 21/,
    ],
    [
      "such ids",
      { prompt: [Array(21).fill(97)] },
      "prompt",
      "context_length_exceeded",
      /20 tokens/,
    ],
    ["an empty prompt", { prompt: "" }, null, "", /the prompt is empty/],
    ["no ids", { prompt: [[97], []] }, "prompt", "invalid_value", /the prompt is empty/],
    ["no prompts", { prompt: [] }, "prompt", "invalid_value", /no text is asked for/],
    ["ids that are none", { prompt: [97, 256] }, "prompt", "invalid_value", /no token 256/],
    ["parts of ids", { prompt: [1.5] }, "prompt", "invalid_value", /no token 1.5/],
    ["ids and text", { prompt: [97, "a"] }, "prompt", "invalid_type", /must be text, token ids/],
    ["records", { prompt: [{}] }, "prompt", "invalid_type", /must be text, token ids/],
    ["a temperature below 0", { temperature: -1 }, "temperature", "integer_below_min_value", /0/],
    ["a high temperature", { temperature: 2.1 }, "temperature", "decimal_above_max_value", /2/],
    ["top_p above 1", { top_p: 1.1 }, "top_p", "decimal_above_max_value", /1/],
    ["a high penalty", { presence_penalty: 3 }, "presence_penalty", "integer_above_max_value", /2/],
    [
      "a low penalty",
      { frequency_penalty: -2.5 },
      "frequency_penalty",
      "decimal_below_min_value",
      /-2/,
    ],
    ["an empty stop text", { stop: "" }, "stop", "invalid_value", /length/],
    ["17 stop texts", { stop: Array.from("abcdefghijklmnopq") }, "stop", "invalid_value", /length/],
    [
      "a bias for no token",
      { logit_bias: { "256": 1 } },
      "logit_bias",
      "invalid_value",
      /no token 256/,
    ],
    ["a bias for a word", { logit_bias: { a: 1 } }, "logit_bias.a", "invalid_value", /must match/],
    [
      "a high bias",
      { logit_bias: { "97": 101 } },
      "logit_bias[97]",
      "integer_above_max_value",
      /100/,
    ],
    ["logprobs above 5", { logprobs: 6 }, "logprobs", "integer_above_max_value", /5/],
    ["logprobs as in chat", { logprobs: true }, "logprobs", "invalid_type", /number/],
    ["best of less", { n: 3, best_of: 2 }, "best_of", "invalid_value", /at least n/],
    ["the best in a stream", { best_of: 2, stream: true }, "best_of", "invalid_value", /stream/],
    [
      "a stream's options",
      { stream_options: {} },
      "stream_options",
      "invalid_value",
      /stream: true/,
    ],
    [
      "others of them",
      { stream: true, stream_options: { a: 1 } },
      "stream_options.a",
      "unknown_parameter",
      /not a parameter/,
    ],
    ["a suffix", { suffix: "z" }, "suffix", "unsupported_parameter", /not supported/],
    ["what nobody knows", { temprature: 1 }, "temprature", "unknown_parameter", /not a parameter/],
    ["messages", { messages: [] }, "messages", "unknown_parameter", /not a parameter/],
  ])("%s", async (_name, changes, param, code, said) => {
    await start({ engine });
    const response = await ask({ prompt: "a", ...changes });
    expect(response.status).toBe(400);
    const { error } = (await response.json()) as { error: { message: string } };
    expect(error).toMatchObject({
      type: "invalid_request_error",
      param,
      code: code === "" ? null : code,
    });
    expect(error.message).toMatch(said);
    expect(error.message).not.toContain("\n");
    expect(await textsOf({ prompt: "a", max_tokens: 1 })).toEqual(["b"]);
  });

  test("a list", async () => {
    await start();
    expect((await ask([])).status).toBe(400);
  });

  test("a model that is not served, where one is named", async () => {
    await start({ aliases: ["alphabet"], limits: letterLimits });
    for (const model of ["letters", "alphabet", "let", null]) {
      expect(await textsOf({ prompt: "a", max_tokens: 1, model })).toEqual(["b"]);
    }
    for (const model of ["gpt-3.5-turbo-instruct", "letters2", "", "LETTERS"]) {
      const response = await ask({ prompt: "a", max_tokens: 1, model });
      expect(response.status).toBe(404);
      expect(await response.json()).toMatchObject({
        error: { type: "invalid_request_error", param: "model", code: "model_not_found" },
      });
    }
  });
});
