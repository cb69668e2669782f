// Prompts of requests as token ids, which the model can hold.

import { setImmediate as nextTurn } from "node:timers/promises";
import { encodePrompt, type ModelTokenizer, type PromptEncoding } from "../model_tokenizer.js";
import type { Engine } from "../engine.js";
import { HttpError } from "./http_error.js";
import { wrong, type Limits } from "./parameters.js";

/** A prompt, as it was given and in tokens. */
export interface Prompt {
  readonly text: string;
  readonly ids: readonly number[];
}

/** Prompts as a body may have them: text, token ids, or lists of either. @throws HttpError for anything else. */
export function splitPrompts(given: unknown): readonly (string | readonly number[])[] {
  if (given === undefined || given === null) return [""];
  if (typeof given === "string") return [given];
  if (!Array.isArray(given)) throw notPrompts();
  if (given.length === 0) throw wrong("prompt", "no text is asked for");
  if (isIds(given)) return [given];
  const prompts: readonly unknown[] = given;
  if (prompts.every(isText)) return prompts;
  if (prompts.every(isIds)) return prompts;
  throw notPrompts();
}

const isText = (given: unknown): given is string => typeof given === "string";

const notPrompts = (): HttpError =>
  wrong("prompt", "must be text, token ids, or a list of either", "invalid_type");

const isIds = (given: unknown): given is readonly number[] =>
  Array.isArray(given) && given.every((id) => typeof id === "number");

export interface PromptContext {
  readonly engine: Engine;
  readonly tokenizer: ModelTokenizer;
  readonly limits: Limits;
  /** The parameter that has the prompts. */
  readonly param: string;
  readonly encoding?: PromptEncoding;
}

/**
 * Encodes prompts.
 * @throws HttpError where one is empty, has ids that are none of the model's, or is longer than the model sees.
 */
export async function encodePrompts(
  given: readonly (string | readonly number[])[],
  context: PromptContext,
): Promise<readonly Prompt[]> {
  const prompts: Prompt[] = [];
  for (const one of given) {
    prompts.push(typeof one === "string" ? encodeText(one, context) : checkIds(one, context));
    await nextTurn(); // other requests go on while this one is encoded
  }
  return prompts;
}

function encodeText(text: string, context: PromptContext): Prompt {
  const { tokenizer, encoding, limits, param } = context;
  if (text.length > limits.maxPromptLength) {
    const said = `has ${text.length} characters, at most ${limits.maxPromptLength} may be`;
    throw wrong(param, said, "context_length_exceeded");
  }
  const ids = encodePrompt(tokenizer, text, encoding);
  checkLength(ids, context);
  return { text, ids };
}

function checkIds(ids: readonly number[], context: PromptContext): Prompt {
  const { engine, tokenizer, param } = context;
  if (ids.length === 0) throw wrong(param, "the prompt is empty: give what is to be continued");
  checkLength(ids, context);
  const { vocabularySize } = engine;
  const alien = ids.find((id) => !Number.isSafeInteger(id) || id < 0 || id >= vocabularySize);
  if (alien !== undefined) {
    throw wrong(param, `there is no token ${alien}, the model has ${vocabularySize}`);
  }
  return { text: tokenizer.decode(ids), ids };
}

function checkLength({ length }: readonly number[], { engine, param }: PromptContext): void {
  const { maxPositions } = engine;
  if (length <= maxPositions) return;
  throw new HttpError(
    400,
    `this model's context is ${maxPositions} tokens, the prompt has ${length}: shorten it`,
    { param, code: "context_length_exceeded" },
  );
}
