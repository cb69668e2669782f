// Parameters that requests share, as OpenAI documents them. Each is honoured, or refused by its name: also those that
// nobody documents.

import * as v from "valibot";
import { describeFault } from "@tessera/config/issues";
import { greedy, type Sampling } from "../sample.js";
import { HttpError } from "./http_error.js";

/** What one request may take. */
export interface Limits {
  /** Tokens that may be asked for. */
  readonly maxTokens: number;
  /** Texts of one request. */
  readonly maxTexts: number;
  /** Characters of one prompt. */
  readonly maxPromptLength: number;
  readonly maxBodyBytes: number;
}

export const whole = (min: number, max: number) =>
  v.pipe(v.number(), v.safeInteger(), v.minValue(min), v.maxValue(max));
export const between = (min: number, max: number) =>
  v.pipe(v.number(), v.finite(), v.minValue(min), v.maxValue(max));

const UNSUPPORTED = "is not supported by this server";

/** A documented parameter that this server does not have: it takes only what changes nothing. */
export const unsupported = (isIdle: (value: unknown) => boolean = () => false) =>
  v.optional(
    v.pipe(
      v.unknown(),
      v.check((value) => value === null || isIdle(value), UNSUPPORTED),
    ),
  );

export const isEmptyList = (value: unknown): boolean => Array.isArray(value) && value.length === 0;

const StopText = v.pipe(v.string(), v.minLength(1), v.maxLength(500));

/** Parameters of texts, whatever is asked for them. */
export const textParameters = {
  model: v.nullish(v.string()),
  temperature: v.nullish(between(0, 2)),
  top_p: v.nullish(between(0, 1)),
  n: v.nullish(whole(1, 128)),
  seed: v.nullish(whole(Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER)),
  // OpenAI takes four texts; tasks of lm-evaluation-harness have more.
  stop: v.nullish(v.union([StopText, v.pipe(v.array(StopText), v.maxLength(16))])),
  stream: v.nullish(v.boolean()),
  stream_options: v.nullish(
    v.strictObject({
      include_usage: v.nullish(v.boolean()),
      include_obfuscation: unsupported((value) => value === false),
    }),
  ),
  presence_penalty: v.nullish(between(-2, 2)),
  frequency_penalty: v.nullish(between(-2, 2)),
  logit_bias: v.nullish(v.record(v.pipe(v.string(), v.regex(/^\d{1,10}$/)), between(-100, 100))),
  user: v.nullish(v.string()), // for whom; it changes no text
  // Beyond OpenAI's, as vLLM has them.
  top_k: v.nullish(whole(-1, 2 ** 31)),
  min_p: v.nullish(between(0, 1)),
  repetition_penalty: v.nullish(v.pipe(between(0, 100), v.gtValue(0))),
  ignore_eos: v.nullish(v.boolean()),
  add_special_tokens: v.nullish(v.boolean()),
};

export type TextParameters = v.InferOutput<v.ObjectSchema<typeof textParameters, undefined>>;

/** @throws HttpError that names the first parameter that is wrong. */
export function checkParameters<S extends v.GenericSchema>(
  schema: S,
  body: unknown,
): v.InferOutput<S> {
  const result = v.safeParse(schema, body, { abortEarly: true });
  if (result.success) return result.output;
  const [issue] = result.issues;
  const path = v.getDotPath(issue)?.replace(/\.(\d+)(?=\.|$)/g, "[$1]");
  const code = codeOf(issue);
  const said =
    code === "unknown_parameter"
      ? "is not a parameter of this request"
      : code === "missing_required_parameter"
        ? "is missing"
        : describeFault(issue).slice(0, 300);
  throw new HttpError(400, path === undefined ? `the body: ${said}` : `${path}: ${said}`, {
    code,
    ...(path !== undefined && { param: path }),
  });
}

/** OpenAI's codes. */
function codeOf(issue: v.BaseIssue<unknown>): string {
  if (issue.message === UNSUPPORTED) return "unsupported_parameter";
  if (issue.kind === "schema") {
    if (issue.expected === "never") return "unknown_parameter";
    return issue.received === "undefined" ? "missing_required_parameter" : "invalid_type";
  }
  const kind = Number.isInteger(issue.input) ? "integer" : "decimal";
  if (issue.type === "min_value" || issue.type === "gt_value") return `${kind}_below_min_value`;
  return issue.type === "max_value" ? `${kind}_above_max_value` : "invalid_value";
}

/** A parameter that is wrong beside others, or for this model. */
export const wrong = (param: string, said: string, code = "invalid_value"): HttpError =>
  new HttpError(400, `${param}: ${said}`, { param, code });

/** @throws HttpError where a stream's options come without a stream. */
export function checkStream({ stream, stream_options: options }: TextParameters): void {
  if (options == null || stream === true) return;
  throw wrong("stream_options", "is only taken with stream: true");
}

const anySeed = (): number => Math.floor(Math.random() * 2 ** 32);

/**
 * How tokens are sampled for a request.
 * @throws HttpError where it names a token that the model does not have.
 */
export function readSampling(asked: TextParameters, vocabularySize: number): Sampling {
  const logitBias = new Map(
    Object.entries(asked.logit_bias ?? {}).map(([id, bias]) => [Number(id), bias]),
  );
  for (const id of logitBias.keys()) {
    if (id < vocabularySize) continue;
    throw wrong("logit_bias", `there is no token ${id}, the model has ${vocabularySize}`);
  }
  return {
    ...greedy,
    temperature: asked.temperature ?? 1,
    topK: Math.max(0, asked.top_k ?? 0),
    topP: asked.top_p ?? 1,
    minP: asked.min_p ?? 0,
    repetitionPenalty: asked.repetition_penalty ?? 1,
    presencePenalty: asked.presence_penalty ?? 0,
    frequencyPenalty: asked.frequency_penalty ?? 0,
    logitBias,
    seed: wrapSeed(asked.seed ?? anySeed()),
  };
}

/** Seeds are whole numbers from 0 on; negative ones follow the largest. */
const wrapSeed = (seed: number): number => (seed < 0 ? Number.MAX_SAFE_INTEGER + 1 + seed : seed);

export const readStop = ({ stop }: TextParameters): readonly string[] =>
  typeof stop === "string" ? [stop] : (stop ?? []);

/** The most tokens of a text. @throws HttpError where that is above the limit. */
export function checkMaxTokens(param: string, tokens: number, { maxTokens }: Limits): number {
  if (tokens <= maxTokens) return tokens;
  const said = `${tokens} tokens are asked for, at most ${maxTokens} may be`;
  throw wrong(param, said, "integer_above_max_value");
}

/** @throws HttpError where `count` texts are too many. */
export function checkTexts(param: string, count: number, { maxTexts }: Limits): void {
  if (count <= maxTexts) return;
  throw wrong(param, `${count} texts are asked for, at most ${maxTexts} may be`);
}
