// POST /v1/chat/completions, as OpenAI's, for models with a chat template.

import * as v from "valibot";
import type { TextRequest } from "../generate.js";
import type { ChatMessage } from "./chat_template.js";
import type { Exchange } from "./exchange.js";
import { chatLogprobs } from "./format_logprobs.js";
import { HttpError } from "./http_error.js";
import { checkModel } from "./models.js";
import {
  checkMaxTokens,
  checkParameters,
  checkStream,
  checkTexts,
  isEmptyList,
  readSampling,
  readStop,
  textParameters,
  unsupported,
  whole,
  wrong,
} from "./parameters.js";
import { encodePrompts } from "./prompts.js";
import type { Served } from "./served.js";
import { answerTexts, headOf, type TextPiece, type WrittenText } from "./texts.js";

const TextPart = v.strictObject({ type: v.literal("text"), text: v.string() });

const Message = v.strictObject({
  role: v.picklist(["system", "developer", "user", "assistant"]),
  content: v.union([v.string(), v.array(TextPart)]),
  name: v.optional(v.string()),
  refusal: unsupported(),
  audio: unsupported(),
  tool_calls: unsupported(isEmptyList),
  function_call: unsupported(),
});

/** More are refused: a template may take long over them. */
const MAX_MESSAGES = 1000;

const isOneOf =
  (...idle: readonly unknown[]) =>
  (value: unknown): boolean =>
    idle.includes(value);

const isText = (format: unknown): boolean =>
  typeof format === "object" && format !== null && "type" in format && format.type === "text";

const Chat = v.strictObject({
  ...textParameters,
  messages: v.pipe(v.array(Message), v.minLength(1), v.maxLength(MAX_MESSAGES)),
  max_tokens: v.nullish(whole(1, 2 ** 31)),
  max_completion_tokens: v.nullish(whole(1, 2 ** 31)),
  logprobs: v.nullish(v.boolean()),
  top_logprobs: v.nullish(whole(0, 20)),
  response_format: unsupported(isText),
  tools: unsupported(isEmptyList),
  tool_choice: unsupported(isOneOf("none")),
  parallel_tool_calls: unsupported(),
  functions: unsupported(isEmptyList),
  function_call: unsupported(isOneOf("none")),
  modalities: unsupported((value) => Array.isArray(value) && value.every(isOneOf("text"))),
  audio: unsupported(),
  prediction: unsupported(),
  reasoning_effort: unsupported(isOneOf("none")),
  verbosity: unsupported(),
  web_search_options: unsupported(),
  service_tier: unsupported(isOneOf("auto", "default")),
  store: unsupported(isOneOf(false)),
  // For whom and what for: they change no text.
  metadata: v.nullish(v.record(v.string(), v.string())),
  safety_identifier: v.nullish(v.string()),
  prompt_cache_key: v.nullish(v.string()),
});

type Chat = v.InferOutput<typeof Chat>;

/** @throws HttpError where the model has no template, or its template refuses the messages. */
function renderPrompt({ model, chatTemplate = null }: Served, { messages }: Chat): string {
  if (chatTemplate === null) {
    throw new HttpError(
      400,
      `${model} has no chat template: it takes /v1/completions, or --chat-template FILE gives it one`,
      { param: "messages", code: "chat_template_missing" },
    );
  }
  const plain = messages.map(({ role, content, name }): ChatMessage => ({
    role,
    content: typeof content === "string" ? content : content.map(({ text }) => text).join("\n"),
    ...(name !== undefined && { name }),
  }));
  try {
    return chatTemplate.render(plain);
  } catch (error) {
    const [said = ""] = (error as Error).message.split("\n", 1);
    throw wrong("messages", `the chat template refuses them: ${said.slice(0, 300)}`);
  }
}

/** The most tokens of an answer: what is asked for, or what the model has room for. */
function maxTokensOf({ engine, limits }: Served, asked: Chat, promptTokens: number): number {
  const { max_tokens: old, max_completion_tokens: given } = asked;
  if (old != null && given != null) {
    throw wrong("max_tokens", "is the old name of max_completion_tokens: give one of them");
  }
  const room = Math.max(1, engine.maxPositions - promptTokens);
  const [param, tokens] =
    old != null ? ["max_tokens", old] : ["max_completion_tokens", given ?? Infinity];
  if (tokens === Infinity) return Math.min(room, limits.maxTokens);
  return checkMaxTokens(param, tokens, limits);
}

async function readChat(served: Served, asked: Chat) {
  const { engine, tokenizer, limits } = served;
  checkModel(served, asked.model);
  checkStream(asked);
  if (asked.top_logprobs != null && asked.logprobs !== true) {
    throw wrong("top_logprobs", "is only taken with logprobs: true");
  }
  const n = asked.n ?? 1;
  checkTexts("n", n, limits);
  const sampling = readSampling(asked, engine.vocabularySize);
  // The template has written the special tokens that a prompt begins with.
  const encoding = {
    addSpecialTokens: asked.add_special_tokens ?? false,
    splitSpecialTokens: false,
  };
  const context = { engine, tokenizer, limits, param: "messages", encoding };
  const [prompt] = await encodePrompts([renderPrompt(served, asked)], context);
  const { ids } = prompt!;
  const common = {
    prompt: ids,
    maxTokens: maxTokensOf(served, asked, ids.length),
    stop: readStop(asked),
    ignoreEnd: asked.ignore_eos ?? false,
    ...(asked.logprobs === true && { logprobs: { top: asked.top_logprobs ?? 0, ofPrompt: false } }),
  };
  const requests = Array.from({ length: n }, (_, i): TextRequest => ({
    ...common,
    sampling: { ...sampling, seed: sampling.seed + i },
  }));
  return { requests, promptTokens: ids.length };
}

export async function answerChat(served: Served, exchange: Exchange, body: unknown): Promise<void> {
  const asked = checkParameters(Chat, body);
  const { requests, promptTokens } = await readChat(served, asked);
  const { tokenizer } = served;
  const logprobsOf = ({ tokens }: Pick<TextPiece, "tokens">) =>
    asked.logprobs === true ? chatLogprobs(tokenizer, tokens) : null;
  const head = headOf("chatcmpl", "chat.completion", served.model);
  await answerTexts(served, exchange, {
    requests,
    promptTokens,
    isStreamed: asked.stream === true,
    hasUsage: asked.stream_options?.include_usage === true,
    head,
    eventHead: { ...head, object: "chat.completion.chunk" },
    choices: (written: readonly WrittenText[]) =>
      written.map((text) => ({
        index: text.index,
        message: { role: "assistant", content: text.text, refusal: null },
        logprobs: logprobsOf(text),
        finish_reason: text.finish,
      })),
    // Who speaks is said alone, as OpenAI's does: clients collect what follows.
    deltas: ({ isFirst, ...piece }) => [
      ...(isFirst
        ? [deltaOf(piece.index, { role: "assistant", content: "", refusal: null }, null, null)]
        : []),
      ...(piece.text !== ""
        ? [deltaOf(piece.index, { content: piece.text }, logprobsOf(piece), null)]
        : []),
      ...(piece.finish !== null ? [deltaOf(piece.index, {}, null, piece.finish)] : []),
    ],
  });
}

const deltaOf = (index: number, delta: object, logprobs: object | null, finish: string | null) => ({
  index,
  delta,
  logprobs,
  finish_reason: finish,
});
