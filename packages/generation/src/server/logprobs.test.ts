import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "@jest/globals";
import "@tensorflow/tfjs-backend-cpu";
import { enableProdMode, setBackend } from "@tensorflow/tfjs-core";
import { readModel, readModelConfig } from "@tessera/checkpoint";
import { gpt } from "@tessera/gpt";
import { byteTokenizer } from "@tessera/tokenizer";
import { modelEngine } from "../model_engine.js";
import { eventsOf } from "../testing/ask.js";
import { lettersEngine } from "../testing/letters.js";
import { useServer, type Completion } from "../testing/use_server.js";

const { ask, complete, start } = useServer();

describe("log-probabilities", () => {
  const letters = { engine: lettersEngine({ peak: 5 }) };
  const likely = -Math.log(1 + 255 * Math.exp(-5));
  const near = (value: number): number => expect.closeTo(value, 10) as unknown as number;

  test("come with each token of the text, and its place", async () => {
    await start(letters);
    const { choices } = await complete({ prompt: "a", max_tokens: 3, logprobs: 1, temperature: 0 });
    expect(choices[0]!.logprobs).toEqual({
      tokens: ["b", "c", "d"],
      token_logprobs: [near(likely), near(likely), near(likely)],
      top_logprobs: [{ b: near(likely) }, { c: near(likely) }, { d: near(likely) }],
      text_offset: [0, 1, 2],
    });
    const none = await complete({ prompt: "a", max_tokens: 1, logprobs: 0, temperature: 0 });
    expect(none.choices[0]!.logprobs!.top_logprobs).toEqual([{ b: near(likely) }]);
  });

  test("of the prompt have none for its first token, whose place is before all", async () => {
    await start(letters);
    const asked = { prompt: "a\u00e9b", max_tokens: 1, echo: true, logprobs: 1, temperature: 0 };
    const { choices } = await complete(asked);
    expect(choices[0]!.text).toBe("a\u00e9bc");
    expect(choices[0]!.logprobs).toMatchObject({
      tokens: ["a", "bytes:\\xc3", "bytes:\\xa9", "b", "c"],
      text_offset: [0, 1, 1, 2, 3],
    });
    const { token_logprobs: found, top_logprobs: top } = choices[0]!.logprobs!;
    expect(found[0]).toBeNull();
    expect(top[0]).toBeNull();
    expect(found[1]).toBeCloseTo(likely - 5, 10);
    // The likeliest one, and the token itself.
    expect(Object.keys(top[1]!)).toEqual(["b", "bytes:\\xc3"]);
  });

  test("are of the model, whatever sampling makes of its logits", async () => {
    await start(letters);
    const asked = { prompt: "a", max_tokens: 1, logprobs: 0, logit_bias: { "120": 100 } };
    const { choices } = await complete(asked);
    expect(choices[0]!.logprobs!.token_logprobs[0]).toBeCloseTo(likely - 5, 10);
  });

  test("are of tokens that begin before a stop text, also in a stream", async () => {
    await start(letters);
    const asked = {
      prompt: "a",
      max_tokens: 20,
      temperature: 0,
      logprobs: 1,
      stop: "fgh",
      echo: true,
    };
    const whole = (await complete(asked)).choices[0]!;
    expect(whole.logprobs!.tokens.join("")).toBe("abcde");
    const events = (await eventsOf(await ask({ ...asked, stream: true }))) as Completion[];
    const parts = events.map(({ choices }) => choices[0]!.logprobs);
    for (const key of ["tokens", "token_logprobs", "top_logprobs", "text_offset"] as const) {
      expect(parts.flatMap((part): unknown[] => [...(part?.[key] ?? [])])).toEqual(
        whole.logprobs![key],
      );
    }
    expect(events.map(({ choices }) => choices[0]!.text).join("")).toBe("abcde");
  });

  test("are PyTorch's for the golden model", async () => {
    const golden = join(__dirname, "../../../../fixtures/golden");
    const { tokens } = JSON.parse(readFileSync(join(golden, "expected.json"), "utf8")) as {
      readonly tokens: readonly (readonly number[][])[];
    };
    const file = readFileSync(join(golden, "logits.safetensors"));
    const header = 8 + Number(file.readBigUInt64LE());
    const logits = new Float32Array(file.buffer.slice(file.byteOffset + header)); // [8, 32, 384]
    enableProdMode();
    await setBackend("cpu");
    const config = readModelConfig(golden);
    const engine = modelEngine(gpt(config), readModel(golden, config), { ...config, rows: 2 });
    await start({ engine, tokenizer: byteTokenizer });
    const prompt = tokens[0]!.slice(0, 2);
    const asked = { prompt, max_tokens: 0, echo: true, logprobs: 5 };
    const { choices } = await complete(asked);
    const expected = (row: number, at: number): readonly number[] => {
      const own = Array.from(logits.subarray((32 * row + at) * 384, (32 * row + at + 1) * 384));
      const total = Math.log(own.reduce((sum, logit) => sum + Math.exp(logit), 0));
      return own.map((logit) => logit - total);
    };
    for (const [row, ids] of prompt.entries()) {
      const { token_logprobs: found, top_logprobs: top } = choices[row]!.logprobs!;
      expect(found).toHaveLength(33);
      for (let at = 1; at < 33; at += 1) {
        const all = expected(row, at - 1);
        expect(Math.abs(found[at]! - all[ids[at]!]!)).toBeLessThan(3e-5);
        const best = [...all].sort((a, b) => b - a).slice(0, 5);
        const given = Object.values(top[at]!).sort((a, b) => b - a);
        best.forEach((one, i) => expect(Math.abs(given[i]! - one)).toBeLessThan(3e-5));
      }
    }
    await engine.close();
  });
});
