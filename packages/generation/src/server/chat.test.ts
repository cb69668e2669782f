import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "@jest/globals";
import { UserError } from "@tessera/config";
import { scratchFolder } from "@tessera/testing";
import { eventsOf, post } from "../testing/ask.js";
import { letterLimits, lettersEngine } from "../testing/letters.js";
import { useServer } from "../testing/use_server.js";
import { readChatTemplate, type ChatMessage, type ChatTemplate } from "./chat_template.js";

const scratch = scratchFolder("chat");
const { current, health, start, untilIdle } = useServer();

let folders = 0;
/** A model's folder with some files. */
function folderOf(files: Readonly<Record<string, unknown>>): string {
  const folder = scratch(String((folders += 1)));
  mkdirSync(folder);
  for (const [name, content] of Object.entries(files)) {
    const text = typeof content === "string" ? content : JSON.stringify(content);
    writeFileSync(join(folder, name), text);
  }
  return folder;
}

interface Rendered {
  readonly tokens: Readonly<Record<string, string>>;
  readonly templates: Readonly<Record<string, string>>;
  readonly chats: Readonly<Record<string, readonly ChatMessage[]>>;
  readonly rendered: readonly {
    readonly template: string;
    readonly chat: string;
    readonly prompt: string | null;
    readonly error?: string;
  }[];
}

const { tokens, templates, chats, rendered } = JSON.parse(
  readFileSync(join(__dirname, "../../fixtures/chat_templates.json"), "utf8"),
) as Rendered;

describe("a chat template", () => {
  test.each(rendered)("$template renders $chat as transformers does", (one) => {
    const config = { ...tokens, chat_template: templates[one.template] };
    const template = readChatTemplate(folderOf({ "tokenizer_config.json": config }))!;
    const render = () => template.render(chats[one.chat]!);
    if (one.prompt === null) expect(render).toThrow(one.error);
    else expect(render()).toBe(one.prompt);
  });

  const message: readonly ChatMessage[] = [{ role: "user", content: "hi" }];
  const say = (text: string): string => `{{ bos_token }}${text}{{ eos_token }}`;

  test("is where transformers looks for it: its file, the default of several, the only one", () => {
    const named = [
      { name: "tool_use", template: say("tools") },
      { name: "default", template: say("several") },
    ];
    const special = { bos_token: { content: "<s>", lstrip: false }, eos_token: "</s>" };
    const config = { ...special, chat_template: named };
    const file = { "chat_template.jinja": say("file") };
    const prompt = (files: Readonly<Record<string, unknown>>, other?: string) =>
      readChatTemplate(folderOf(files), other)?.render(message);
    expect(prompt({ "tokenizer_config.json": config })).toBe("<s>several</s>");
    expect(prompt({ "tokenizer_config.json": config, ...file })).toBe("<s>file</s>");
    expect(prompt(file)).toBe("file");
    expect(prompt({ "tokenizer_config.json": { chat_template: "only" } })).toBe("only");
    writeFileSync(scratch("other.jinja"), say("other"));
    expect(prompt({ "tokenizer_config.json": config, ...file }, scratch("other.jinja"))).toBe(
      "<s>other</s>",
    );
    expect(prompt({})).toBeUndefined();
    expect(prompt({ "tokenizer_config.json": special })).toBeUndefined();
  });

  test.each<[string, Readonly<Record<string, unknown>>, RegExp]>([
    ["that is cut short", { "chat_template.jinja": "{% for a in" }, /jinja: .* cannot be parsed/],
    ["of numbers", { "tokenizer_config.json": { chat_template: 7 } }, /chat_template: must be/],
    ["in no JSON", { "tokenizer_config.json": "{" }, /tokenizer_config\.json/],
  ])("%s is refused by its file", (_name, files, said) => {
    const read = () => readChatTemplate(folderOf(files));
    expect(read).toThrow(UserError);
    expect(read).toThrow(said);
  });
});

/** The last message's content, behind its role. */
const lastMessage: ChatTemplate = {
  render(messages) {
    const { role, content } = messages.at(-1)!;
    if (role === "assistant") throw new Error("the assistant\nspeaks last");
    return `${role}:${content}`;
  },
};

const chat = (body: object) =>
  post(`${current().address}/v1/chat/completions`, {
    messages: [{ role: "user", content: "a" }],
    ...body,
  });

describe("a chat", () => {
  test("is answered by the assistant, as OpenAI's", async () => {
    await start({ chatTemplate: lastMessage });
    const response = await chat({ max_completion_tokens: 3, n: 2, model: "letters" });
    expect(response.status).toBe(200);
    const choice = {
      message: { role: "assistant", content: "bcd", refusal: null },
      logprobs: null,
      finish_reason: "length",
    };
    expect(await response.json()).toEqual({
      id: expect.stringMatching(/^chatcmpl-/) as unknown,
      object: "chat.completion",
      created: expect.any(Number) as unknown,
      model: "letters",
      choices: [
        { index: 0, ...choice },
        { index: 1, ...choice },
      ],
      usage: { prompt_tokens: 6, completion_tokens: 6, total_tokens: 12 },
    });
  });

  test("streams: who speaks, what is said, why it ended, what it took", async () => {
    await start({ chatTemplate: lastMessage });
    const options = { stream: true, stream_options: { include_usage: true } };
    const events = (await eventsOf(await chat({ max_tokens: 3, stop: "d", ...options }))) as {
      readonly object: string;
      readonly choices: readonly { readonly delta: object; readonly finish_reason: unknown }[];
    }[];
    expect(events.map(({ object }) => object)).toEqual(events.map(() => "chat.completion.chunk"));
    expect(events.map(({ choices: [one] }) => one && [one.delta, one.finish_reason])).toEqual([
      [{ role: "assistant", content: "", refusal: null }, null],
      [{ content: "b" }, null],
      [{ content: "c" }, null],
      [{}, "stop"],
      undefined,
    ]);
    expect(events.at(-1)).toMatchObject({ usage: { prompt_tokens: 6, completion_tokens: 3 } });
  });

  test("has log-probabilities with bytes, of exactly as many tokens as are asked for", async () => {
    await start({ chatTemplate: lastMessage, engine: lettersEngine({ peak: 5 }) });
    const asked = { max_tokens: 1, temperature: 0, logprobs: true };
    const contentOf = async (body: object): Promise<unknown> => {
      const { choices } = (await (await chat(body)).json()) as {
        choices: { logprobs: { content: object[]; refusal: null } }[];
      };
      expect(choices[0]!.logprobs.refusal).toBeNull();
      return choices[0]!.logprobs.content[0];
    };
    const near = (value: number) => expect.closeTo(value, 10) as unknown;
    const likely = -Math.log(1 + 255 * Math.exp(-5));
    const b = { token: "b", logprob: near(likely), bytes: [98] };
    expect(await contentOf(asked)).toEqual({ ...b, top_logprobs: [] });
    expect(await contentOf({ ...asked, top_logprobs: 2 })).toEqual({
      ...b,
      top_logprobs: [b, { token: "\0", logprob: near(likely - 5), bytes: [0] }],
    });
  });

  test("goes on for as long as the model has room, where nothing else is said", async () => {
    const engine = lettersEngine({ maxPositions: 20 });
    await start({ chatTemplate: lastMessage, engine });
    expect(await (await chat({})).json()).toMatchObject({
      usage: { prompt_tokens: 6, completion_tokens: 14 },
    });
    await current().stop();
    await start({ chatTemplate: lastMessage, limits: { ...letterLimits, maxTokens: 9 } });
    expect(await (await chat({})).json()).toMatchObject({ usage: { completion_tokens: 9 } });
  });

  test("has content in parts, which are lines, and what changes nothing", async () => {
    await start({ chatTemplate: lastMessage });
    const parts = ["a", "b"].map((text) => ({ type: "text", text }));
    const answer = await chat({
      messages: [
        { role: "developer", content: "x" },
        { role: "assistant", content: "y", refusal: null },
        { role: "user", name: "ann", content: parts },
      ],
      max_tokens: 1,
      user: "ann",
      metadata: { a: "b" },
      store: false,
      tools: [],
      tool_choice: "none",
      response_format: { type: "text" },
      modalities: ["text"],
      service_tier: "auto",
    });
    expect(await answer.json()).toMatchObject({
      choices: [{ message: { content: "c" } }],
      usage: { prompt_tokens: "user:a\nb".length },
    });
  });

  test("needs a template", async () => {
    await start();
    const response = await chat({ model: "l" });
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({
      error: { param: "messages", message: /* says how */ expect.stringMatching(/template/) },
    });
  });

  const image = { type: "image_url", image_url: { url: "https://a" } };
  test.each<[string, object, string, string]>([
    ["no messages", { messages: [] }, "messages", "invalid_value"],
    ["none at all", { messages: undefined }, "messages", "missing_required_parameter"],
    ["text for messages", { messages: "hi" }, "messages", "invalid_type"],
    [
      "another role",
      { messages: [{ role: "robot", content: "a" }] },
      "messages[0].role",
      "invalid_type",
    ],
    [
      "no content",
      { messages: [{ role: "user" }] },
      "messages[0].content",
      "missing_required_parameter",
    ],
    [
      "an image",
      { messages: [{ role: "user", content: [image] }] },
      "messages[0].content",
      "invalid_type",
    ],
    [
      "what the template refuses",
      { messages: [{ role: "assistant", content: "a" }] },
      "messages",
      "invalid_value",
    ],
    [
      "a long chat",
      { messages: [{ role: "user", content: "a".repeat(60) }] },
      "messages",
      "context_length_exceeded",
    ],
    [
      "tools",
      { tools: [{ type: "function", function: { name: "f" } }] },
      "tools",
      "unsupported_parameter",
    ],
    ["functions", { functions: [{ name: "f" }] }, "functions", "unsupported_parameter"],
    [
      "a format",
      { response_format: { type: "json_object" } },
      "response_format",
      "unsupported_parameter",
    ],
    ["audio", { modalities: ["text", "audio"] }, "modalities", "unsupported_parameter"],
    ["a store", { store: true }, "store", "unsupported_parameter"],
    ["effort", { reasoning_effort: "high" }, "reasoning_effort", "unsupported_parameter"],
    ["likeliest tokens alone", { top_logprobs: 2 }, "top_logprobs", "invalid_value"],
    [
      "too many of them",
      { logprobs: true, top_logprobs: 21 },
      "top_logprobs",
      "integer_above_max_value",
    ],
    ["logprobs as in completions", { logprobs: 1 }, "logprobs", "invalid_type"],
    ["no tokens", { max_tokens: 0 }, "max_tokens", "integer_below_min_value"],
    ["two limits", { max_tokens: 1, max_completion_tokens: 1 }, "max_tokens", "invalid_value"],
    [
      "too many tokens",
      { max_completion_tokens: 2001 },
      "max_completion_tokens",
      "integer_above_max_value",
    ],
    ["too many choices", { n: 9 }, "n", "invalid_value"],
    ["a prompt", { prompt: "a" }, "prompt", "unknown_parameter"],
    ["what nobody knows", { max_token: 1 }, "max_token", "unknown_parameter"],
  ])("is refused for %s, by its name", async (_name, body, param, code) => {
    const engine = lettersEngine({ maxPositions: 50 });
    await start({ chatTemplate: lastMessage, engine });
    const response = await chat(body);
    const { error } = (await response.json()) as { error: { message: string } };
    expect({ status: response.status, error }).toMatchObject({
      status: 400,
      error: { type: "invalid_request_error", param, code },
    });
    expect(error.message).not.toContain("\n");
    await untilIdle();
    expect(await health()).toMatchObject({ running: 0 });
  });
});
