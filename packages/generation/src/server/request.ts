// What clients may ask for: the bodies of OpenAI's completions and of Megatron's text generation, checked
// before anything is done for them.

import type { Sampling } from "../sample.js";
import type { TextRequest } from "../generate.js";
import * as v from "valibot";
import { HttpError } from "./http_error.js";

/** What one request may take. */
export interface Limits {
  /** Tokens that may be asked for, and the most that are written where none are. */
  readonly maxTokens: number;
  /** Texts of one request. */
  readonly maxTexts: number;
  /** Characters of one prompt. */
  readonly maxPromptLength: number;
}

/** Some texts for one client. */
export interface TextsRequest {
  readonly texts: readonly TextRequest[];
  /** Whether pieces are sent as they are written. */
  readonly isStreamed: boolean;
  /** Whether the prompt is given back before each text. */
  readonly isEchoed: boolean;
}

const whole = (min: number, max: number) =>
  v.pipe(v.number(), v.safeInteger(), v.minValue(min), v.maxValue(max));
const between = (min: number, max: number) =>
  v.pipe(v.number(), v.finite(), v.minValue(min), v.maxValue(max));

const Stop = v.nullish(
  v.union([
    v.pipe(v.string(), v.minLength(1), v.maxLength(500)),
    v.pipe(v.array(v.pipe(v.string(), v.minLength(1), v.maxLength(500))), v.maxLength(4)),
  ]),
);

const Seed = v.nullish(whole(0, Number.MAX_SAFE_INTEGER));

/** OpenAI's, as far as it is supported; what would change a text and is not is refused by its value. */
const Completion = v.object({
  model: v.optional(v.string()),
  prompt: v.optional(v.union([v.string(), v.array(v.string())]), ""),
  max_tokens: v.nullish(whole(1, 2 ** 31)),
  temperature: v.nullish(between(0, 100)),
  top_p: v.nullish(v.pipe(between(0, 1), v.gtValue(0))),
  n: v.nullish(whole(1, 2 ** 31)),
  seed: Seed,
  stop: Stop,
  stream: v.nullish(v.boolean()),
  echo: v.nullish(v.boolean()),
  best_of: v.nullish(v.literal(1)),
  logprobs: v.nullish(v.literal(0)),
  suffix: v.nullish(v.literal("")),
  presence_penalty: v.nullish(v.literal(0)),
  frequency_penalty: v.nullish(v.literal(0)),
  // Beyond OpenAI's, as other servers have them.
  top_k: v.nullish(whole(0, 2 ** 31)),
  repetition_penalty: v.nullish(between(1, 100)),
  ignore_eos: v.nullish(v.boolean()),
});

/** Megatron's PUT /api. */
const Megatron = v.object({
  prompts: v.pipe(v.array(v.string()), v.minLength(1)),
  tokens_to_generate: v.optional(whole(1, 2 ** 31), 64),
  temperature: v.optional(v.pipe(between(0, 100), v.gtValue(0)), 1),
  top_k: v.optional(whole(0, 2 ** 31), 0),
  top_p: v.optional(between(0, 1), 0),
  random_seed: v.optional(whole(0, Number.MAX_SAFE_INTEGER)),
  add_BOS: v.optional(v.literal(false), false),
  logprobs: v.optional(v.literal(false), false),
  no_log: v.optional(v.boolean()),
  stop_on_eol: v.optional(v.boolean(), false),
  stop_on_double_eol: v.optional(v.boolean(), false),
});

function checked<S extends v.GenericSchema>(schema: S, body: unknown): v.InferOutput<S> {
  const result = v.safeParse(schema, body, { abortEarly: true });
  if (result.success) return result.output;
  const [issue] = result.issues;
  throw new HttpError(400, `${v.getDotPath(issue) ?? "the body"}: ${issue.message}`);
}

function refuse(
  texts: readonly TextRequest[],
  { maxTokens, maxTexts, maxPromptLength }: Limits,
): void {
  if (texts.length === 0) throw new HttpError(400, "no text is asked for");
  if (texts.length > maxTexts) {
    throw new HttpError(400, `${texts.length} texts are asked for, at most ${maxTexts} may be`);
  }
  for (const { prompt, maxTokens: tokens } of texts) {
    if (prompt.length > maxPromptLength) {
      throw new HttpError(
        400,
        `a prompt has ${prompt.length} characters, may have ${maxPromptLength}`,
      );
    }
    if (tokens > maxTokens) {
      throw new HttpError(400, `${tokens} tokens are asked for, at most ${maxTokens} may be`);
    }
  }
}

const anySeed = (): number => Math.floor(Math.random() * 2 ** 32);

/**
 * The texts that a body of /v1/completions asks for.
 * @throws HttpError where it is malformed.
 */
export function completionOf(body: unknown, limits: Limits): TextsRequest {
  const asked = checked(Completion, body);
  const prompts = typeof asked.prompt === "string" ? [asked.prompt] : asked.prompt;
  const n = asked.n ?? 1;
  if (n * prompts.length > limits.maxTexts) {
    throw new HttpError(
      400,
      `${n * prompts.length} texts are asked for, at most ${limits.maxTexts} may be`,
    );
  }
  const sampling: Sampling = {
    temperature: asked.temperature ?? 1,
    topK: asked.top_k ?? 0,
    topP: asked.top_p ?? 1,
    repetitionPenalty: asked.repetition_penalty ?? 1,
    seed: asked.seed ?? anySeed(),
  };
  const stop = typeof asked.stop === "string" ? [asked.stop] : (asked.stop ?? []);
  const common = {
    maxTokens: asked.max_tokens ?? Math.min(16, limits.maxTokens),
    stop,
    ignoreEnd: asked.ignore_eos ?? false,
  };
  const texts = prompts.flatMap((prompt) =>
    Array.from({ length: n }, (_, i) => ({
      ...common,
      prompt,
      sampling: { ...sampling, seed: sampling.seed + i },
    })),
  );
  refuse(texts, limits);
  return { texts, isStreamed: asked.stream ?? false, isEchoed: asked.echo ?? false };
}

/**
 * The texts that a body of Megatron's /api asks for.
 * @throws HttpError where it is malformed.
 */
export function megatronOf(body: unknown, limits: Limits): TextsRequest {
  const asked = checked(Megatron, body);
  const isGreedy = asked.top_k === 1;
  const sampling: Sampling = {
    temperature: isGreedy ? 0 : asked.temperature,
    topK: asked.top_k,
    topP: asked.top_p === 0 ? 1 : asked.top_p,
    repetitionPenalty: 1,
    seed: asked.random_seed ?? anySeed(),
  };
  const stop = [
    ...(asked.stop_on_eol ? ["\n"] : []),
    ...(asked.stop_on_double_eol ? ["\n\n"] : []),
  ];
  const maxTokens = asked.tokens_to_generate;
  const texts = asked.prompts.map((prompt) => ({ prompt, maxTokens, sampling, stop }));
  refuse(texts, limits);
  return { texts, isStreamed: false, isEchoed: true };
}
