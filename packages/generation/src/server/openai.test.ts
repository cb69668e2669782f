// OpenAI's own client, as its users have it.

import { beforeAll, afterAll, describe, expect, test } from "@jest/globals";
import OpenAI, { APIUserAbortError, BadRequestError, NotFoundError } from "openai";
import { startServer, type StartedServer } from "../testing/letters.js";

let started: StartedServer;
let client: OpenAI;

beforeAll(async () => {
  const chatTemplate = {
    render: (messages: readonly { content: string }[]) => messages[0]!.content,
  };
  started = await startServer({ chatTemplate, access: { apiKey: "secret" } });
  client = new OpenAI({ baseURL: `${started.address}/v1`, apiKey: "secret", maxRetries: 0 });
});

afterAll(async () => {
  await started.stop();
  expect(started.reported).toEqual([]);
});

const messages = [{ role: "user", content: "a" }] as const;

describe("OpenAI's client", () => {
  test("lists models and retrieves one", async () => {
    const ids: string[] = [];
    for await (const { id } of client.models.list()) ids.push(id);
    expect(ids).toEqual(["letters"]);
    const model = await client.models.retrieve("letters");
    expect(model).toMatchObject({ id: "letters", owned_by: "tessera" });
    expect(typeof model.created).toBe("number");
  });

  test("completes, whole and as a stream, with log-probabilities", async () => {
    const asked = { model: "letters", prompt: "a", max_tokens: 4, n: 2, logprobs: 2 };
    const { choices, usage, _request_id: id } = await client.completions.create(asked);
    expect(choices.map(({ text }) => text)).toEqual(["bcde", "bcde"]);
    expect(choices[0]!.logprobs?.tokens).toEqual(["b", "c", "d", "e"]);
    expect(usage?.total_tokens).toBe(9);
    expect(id).toMatch(/^[\da-f-]{36}$/);
    const options = { include_usage: true };
    const stream = await client.completions.create({
      ...asked,
      n: 1,
      stream: true,
      stream_options: options,
    });
    let text = "";
    let total: number | undefined;
    for await (const event of stream) {
      text += event.choices[0]?.text ?? "";
      total = event.usage?.total_tokens;
    }
    expect({ text, total }).toEqual({ text: "bcde", total: 5 });
  });

  test("chats, whole and as a stream that it collects", async () => {
    const asked = { model: "letters", messages: [...messages], max_completion_tokens: 3 };
    const { choices } = await client.chat.completions.create(asked);
    expect(choices[0]!.message).toMatchObject({ role: "assistant", content: "bcd" });
    const stream = client.chat.completions.stream({ ...asked, logprobs: true });
    const collected = await stream.finalChatCompletion();
    expect(collected.choices[0]!.message.content).toBe("bcd");
    expect(collected.choices[0]!.logprobs?.content?.map(({ token }) => token)).toEqual([
      "b",
      "c",
      "d",
    ]);
  });

  test("has its own errors for what is refused, with parameter and code", async () => {
    const refused = client.completions.create({ model: "letters", prompt: "a", suffix: "z" });
    await expect(refused).rejects.toBeInstanceOf(BadRequestError);
    await expect(refused).rejects.toMatchObject({
      status: 400,
      param: "suffix",
      code: "unsupported_parameter",
      type: "invalid_request_error",
    });
    const unknown = client.completions.create({ model: "gpt-4", prompt: "a" });
    await expect(unknown).rejects.toBeInstanceOf(NotFoundError);
    await expect(unknown).rejects.toMatchObject({ code: "model_not_found" });
    const stranger = new OpenAI({ baseURL: client.baseURL, apiKey: "wrong", maxRetries: 0 });
    await expect(stranger.models.list()).rejects.toMatchObject({ status: 401 });
  });

  test("aborts a stream, and the rest is not written", async () => {
    const stream = await client.chat.completions.create({
      model: "letters",
      messages: [...messages],
      max_completion_tokens: 2000,
      stream: true,
    });
    let events = 0;
    for await (const _event of stream) {
      if ((events += 1) === 3) stream.controller.abort();
    }
    expect(events).toBeLessThan(2000);
    const gone = new AbortController();
    const whole = client.completions.create(
      { model: "letters", prompt: "a", max_tokens: 2000 },
      { signal: gone.signal },
    );
    setTimeout(() => gone.abort(), 50);
    await expect(whole).rejects.toBeInstanceOf(APIUserAbortError);
    for (;;) {
      const health = await fetch(`${started.address}/health`);
      const { running, waiting } = (await health.json()) as { running: number; waiting: number };
      if (running + waiting === 0) return;
    }
  });
});
