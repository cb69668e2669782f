// PUT /api, as Megatron-LM's text generation server.

import * as v from "valibot";
import { greedy } from "../sample.js";
import type { Exchange } from "./exchange.js";
import {
  between,
  checkMaxTokens,
  checkParameters,
  checkTexts,
  isEmptyList,
  unsupported,
  whole,
} from "./parameters.js";
import { encodePrompts } from "./prompts.js";
import type { Served } from "./served.js";
import { writeTexts } from "./texts.js";

const isFalse = (value: unknown): boolean => value === false;

const Megatron = v.strictObject({
  prompts: v.pipe(v.array(v.string()), v.minLength(1)),
  tokens_to_generate: v.optional(whole(1, 2 ** 31), 64),
  temperature: v.optional(v.pipe(between(0, 100), v.gtValue(0)), 1),
  top_k: v.optional(whole(0, 2 ** 31), 0),
  top_p: v.optional(between(0, 1), 0),
  top_p_decay: unsupported((value) => value === 0),
  top_p_bound: unsupported((value) => value === 0),
  random_seed: v.optional(whole(0, Number.MAX_SAFE_INTEGER)),
  add_BOS: v.optional(v.boolean()),
  logprobs: unsupported(isFalse),
  no_log: v.optional(v.boolean()),
  stop_on_eol: v.optional(v.boolean(), false),
  stop_on_double_eol: v.optional(v.boolean(), false),
  prevent_newline_after_colon: unsupported(isFalse),
  stop_token: unsupported(),
  bad_words_list: unsupported(isEmptyList),
  length_penalty: unsupported((value) => value === 1),
  beam_width: unsupported(),
});

/** Answers with prompts and what follows them. */
export async function answerMegatron(
  served: Served,
  exchange: Exchange,
  body: unknown,
): Promise<void> {
  const { engine, tokenizer, limits } = served;
  const asked = checkParameters(Megatron, body);
  checkTexts("prompts", asked.prompts.length, limits);
  const maxTokens = checkMaxTokens("tokens_to_generate", asked.tokens_to_generate, limits);
  const sampling = {
    ...greedy,
    temperature: asked.top_k === 1 ? 0 : asked.temperature,
    topK: asked.top_k,
    topP: asked.top_p === 0 ? 1 : asked.top_p,
    seed: asked.random_seed ?? Math.floor(Math.random() * 2 ** 32),
  };
  const stop = [
    ...(asked.stop_on_eol ? ["\n"] : []),
    ...(asked.stop_on_double_eol ? ["\n\n"] : []),
  ];
  const encoding = asked.add_BOS === undefined ? {} : { addSpecialTokens: asked.add_BOS };
  const context = { engine, tokenizer, limits, param: "prompts", encoding };
  const prompts = await encodePrompts(asked.prompts, context);
  const requests = prompts.map(({ ids }) => ({ prompt: ids, maxTokens, sampling, stop }));
  const written = await writeTexts(served, exchange, requests);
  const text = written.map((one, i) => prompts[i]!.text + one.text);
  exchange.sendJson(200, { text, segments: null, logprobs: null });
}
