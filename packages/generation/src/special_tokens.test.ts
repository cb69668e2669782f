// A model whose tokenizer begins every text, as transformers and lm-evaluation-harness run it.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "@jest/globals";
import "@tensorflow/tfjs-backend-cpu";
import { enableProdMode, setBackend } from "@tensorflow/tfjs-core";
import { readModel, readModelConfig } from "@tessera/checkpoint";
import { gpt } from "@tessera/gpt";
import { openTokenizer } from "@tessera/tokenizer";
import {
  encodePrompt,
  encodeWhole,
  evaluateLambada,
  evaluatePerplexity,
  modelEngine,
  tokensInMemory,
  type Engine,
} from "./index.js";

const FOLDER = join(__dirname, "../../../fixtures/hugging-face/bos");

interface Expected {
  readonly prompts: readonly {
    readonly prompt: string;
    readonly ids: readonly number[];
    readonly plain: readonly number[];
  }[];
  readonly lambada: {
    readonly passages: readonly string[];
    readonly logLikelihoods: readonly number[];
    readonly greedy: readonly boolean[];
  };
  readonly perplexity: { readonly text: string; readonly tokens: number; readonly loss: number };
}

const expected = JSON.parse(readFileSync(join(FOLDER, "expected.json"), "utf8")) as Expected;
const tokenizer = openTokenizer(FOLDER);
const plain = { addSpecialTokens: false, splitSpecialTokens: true };

let engine: Engine;
beforeAll(async () => {
  enableProdMode();
  await setBackend("cpu");
  const config = readModelConfig(FOLDER);
  engine = modelEngine(gpt(config), readModel(FOLDER, config), config);
});

test.each(expected.prompts)("ids of $prompt", ({ prompt, ids, plain: bare }) => {
  expect(encodePrompt(tokenizer, prompt)).toEqual(ids);
  if (prompt !== "") expect(encodePrompt(tokenizer, prompt, plain)).toEqual(bare);
});

describe("evaluation", () => {
  test("of last words has the harness's likelihoods", async () => {
    const { passages, logLikelihoods, greedy } = expected.lambada;
    for (const [i, passage] of passages.entries()) {
      const found = await evaluateLambada(engine, tokenizer, [passage]);
      expect(Math.log(found.perplexity)).toBeCloseTo(-logLikelihoods[i]!, 4);
      expect(found.correct).toBe(greedy[i] ? 1 : 0);
    }
  });

  test("of a text counts what follows its first token, which the tokenizer puts there", async () => {
    const { text, tokens, loss } = expected.perplexity;
    const source = tokensInMemory(encodeWhole(tokenizer, text));
    const found = await evaluatePerplexity(engine, source, { window: 32, stride: 32 });
    expect(found.tokens).toBe(tokens);
    expect(found.loss).toBeCloseTo(loss, 5);
    const bare = encodeWhole({ ...tokenizer, encoding: plain }, text);
    expect(bare).toHaveLength(tokens);
  });
});
