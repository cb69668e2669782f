import { once } from "node:events";
import { connect, type AddressInfo } from "node:net";
import type { Server } from "node:http";
import { afterEach, describe, expect, test } from "@jest/globals";
import { byteTokenizer } from "@tessera/tokenizer";
import type { Engine } from "../engine.js";
import { createTextServer, type TextServerOptions } from "./text_server.js";

/** Continues every text with the next byte of the alphabet, and takes a turn of the event loop for a step. */
function alphabet(rows: number, fails: () => boolean | Promise<boolean> = () => false): Engine {
  return {
    name: "native",
    vocabularySize: 256,
    maxPositions: 10_000,
    rows,
    async run({ lengths, ids }) {
      await new Promise((resolve) => setTimeout(resolve, 1));
      if (await fails()) throw new Error("the engine broke");
      const [batch, time] = [lengths.length, ids.length / lengths.length];
      const logits = new Float32Array(batch * 256);
      lengths.forEach((_, row) => {
        const last = ids[(row + 1) * time - 1]!;
        logits[row * 256 + (last === 122 ? 97 : last + 1)] = 50;
      });
      return logits;
    },
    copyRow: () => undefined,
    close: () => Promise.resolve(),
  };
}

const limits = {
  maxTokens: 2000,
  maxTexts: 8,
  maxPromptLength: 1000,
  maxWaiting: 100,
  maxConnections: 200,
};

let server: Server;
let address: string;
const reported: unknown[] = [];

async function start(engine: Engine, changes: Partial<TextServerOptions> = {}): Promise<void> {
  const report = (error: unknown) => void reported.push(error);
  const common = { tokenizer: byteTokenizer, model: "letters", apiKey: null, report, limits };
  server = createTextServer({ engine, ...common, ...changes }).listen(0, "127.0.0.1");
  await once(server, "listening");
  address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

afterEach(async () => {
  server.closeAllConnections();
  server.close();
  await once(server, "close");
  expect(reported.splice(0)).toEqual([]);
});

const json = { "content-type": "application/json" };
const send = (path: string, method: string, body: unknown, headers: object = {}) =>
  fetch(address + path, { method, body: JSON.stringify(body), headers: { ...json, ...headers } });
const complete = (body: object, headers: object = {}) =>
  send("/v1/completions", "POST", body, headers);

interface Completion {
  readonly choices: readonly { readonly text: string; readonly finish_reason: string | null }[];
  readonly usage: object;
}

const textsOf = async (response: Response): Promise<readonly string[]> => {
  expect(response.status).toBe(200);
  return ((await response.json()) as Completion).choices.map(({ text }) => text);
};

const health = async () =>
  (await (await fetch(`${address}/health`)).json()) as { running: number; waiting: number };

/** Until nobody is served. A place that is never given back ends at the limit of the test. */
async function untilIdle(): Promise<void> {
  for (;;) {
    const { running, waiting } = await health();
    if (running + waiting === 0) return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

describe("/v1/completions", () => {
  test("gives texts, why they ended, and what they took", async () => {
    await start(alphabet(2));
    const response = await complete({ prompt: ["abc", "x"], max_tokens: 5, n: 2, stop: "d" });
    expect(await response.json()).toMatchObject({
      object: "text_completion",
      model: "letters",
      choices: [
        { index: 0, text: "", finish_reason: "stop" },
        { index: 1, text: "", finish_reason: "stop" },
        { index: 2, text: "yzabc", finish_reason: "length" },
        { index: 3, text: "yzabc", finish_reason: "length" },
      ],
      usage: { prompt_tokens: 8, completion_tokens: 12, total_tokens: 20 },
    });
    expect(await textsOf(await complete({ prompt: "a", max_tokens: 2, echo: true }))).toEqual([
      "abc",
    ]);
  });

  test("streams what it would give at once", async () => {
    await start(alphabet(2));
    const response = await complete({ prompt: ["a", "k"], max_tokens: 30, stream: true });
    expect(response.headers.get("content-type")).toBe("text/event-stream");
    const events = (await response.text()).trim().split("\n\n");
    expect(events.pop()).toBe("data: [DONE]");
    const choices = events.flatMap(
      (event) => (JSON.parse(event.slice("data: ".length)) as Completion).choices,
    ) as { index: number; text: string; finish_reason: string | null }[];
    const texts = [0, 1].map((index) =>
      choices.filter((choice) => choice.index === index).map(({ text }) => text),
    );
    expect(texts[0]!.length).toBeGreaterThan(20);
    const whole = await complete({ prompt: ["a", "k"], max_tokens: 30 });
    expect(texts.map((pieces) => pieces.join(""))).toEqual(await textsOf(whole));
    expect(choices.filter((choice) => choice.finish_reason === "length")).toHaveLength(2);
  });

  test("serves 64 clients at once, each its own text", async () => {
    await start(alphabet(8));
    const clients = Array.from({ length: 64 }, async (_, client) => {
      for (let turn = 0; turn < 3; turn += 1) {
        const prompt = String.fromCharCode(97 + ((client + turn) % 25));
        const [text] = await textsOf(await complete({ prompt, max_tokens: 1 + (client % 7) }));
        expect(text![0]).toBe(String.fromCharCode(prompt.charCodeAt(0) + 1));
        expect(text).toHaveLength(1 + (client % 7));
      }
    });
    await Promise.all(clients);
    expect(await health()).toMatchObject({ running: 0, waiting: 0 });
  });

  test("gives the place of a client that goes away to the next one", async () => {
    await start(alphabet(1));
    for (const stream of [true, false]) {
      const gone = new AbortController();
      const asked = fetch(`${address}/v1/completions`, {
        method: "POST",
        headers: json,
        body: JSON.stringify({ prompt: "a", max_tokens: 2000, stream }),
        signal: gone.signal,
      });
      const ended = expect(asked.then((response) => response.text())).rejects.toThrow("aborted");
      while ((await health()).running === 0);
      const waiting = complete({ prompt: "b", max_tokens: 2 });
      gone.abort();
      await ended;
      expect(await textsOf(await waiting)).toEqual(["cd"]);
      await untilIdle();
    }
  });

  test("turns clients away while too many wait", async () => {
    // One is served and two wait, however late the others come, until nine were turned away.
    let goOn = (): void => undefined;
    const held = new Promise<boolean>((resolve) => (goOn = () => resolve(false)));
    await start(
      alphabet(1, () => held),
      { limits: { ...limits, maxWaiting: 2 } },
    );
    let turnedAway = 0;
    const clients = Array.from({ length: 12 }, async () => {
      const answer = await complete({ prompt: "a", max_tokens: 3 });
      if (answer.status === 429 && (turnedAway += 1) === 9) goOn();
      return answer;
    });
    const answers = await Promise.all(clients);
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(3);
    expect(turnedAway).toBe(9);
    expect(answers.find(({ status }) => status === 429)!.headers.get("retry-after")).toBe("1");
    await untilIdle();
  });

  test("outlives a failure of the engine, and tells of it", async () => {
    let fails = true;
    await start(alphabet(2, () => fails));
    const response = await complete({ prompt: "a" });
    expect(response.status).toBe(500);
    expect(await response.text()).not.toContain("broke");
    expect(reported.splice(0)).toEqual([new Error("the engine broke")]);
    fails = false;
    expect(await textsOf(await complete({ prompt: "a", max_tokens: 2 }))).toEqual(["bc"]);
  });
});

test("Megatron's /api gives prompts with what follows", async () => {
  await start(alphabet(2));
  const asked = { prompts: ["abc", "x"], tokens_to_generate: 4, top_k: 1, random_seed: 3 };
  const response = await send("/api", "PUT", asked);
  expect(await response.json()).toEqual({
    text: ["abcdefg", "xyzab"],
    segments: null,
    logprobs: null,
  });
});

describe("a request is refused in a sentence", () => {
  test.each<[string, object, RegExp]>([
    ["tokens over the limit", { prompt: "a", max_tokens: 2001 }, /at most 2000/],
    ["no tokens", { prompt: "a", max_tokens: 0 }, /max_tokens/],
    ["tokens of text", { prompt: "a", max_tokens: "9" }, /max_tokens/],
    ["too many texts", { prompt: Array(9).fill("a") }, /9 texts are asked for, at most 8/],
    ["too many choices", { prompt: "a", n: 2 ** 30 }, /at most 8/],
    ["a long prompt", { prompt: "a".repeat(1001) }, /1001 characters, may have 1000/],
    ["an empty prompt", { prompt: "" }, /the prompt is empty/],
    ["no prompts", { prompt: [] }, /no text is asked for/],
    ["ids for a prompt", { prompt: [1, 2] }, /prompt/],
    ["a temperature below 0", { prompt: "a", temperature: -1 }, /temperature/],
    ["what would change the text", { prompt: "a", presence_penalty: 1 }, /presence_penalty/],
    ["an empty stop text", { prompt: "a", stop: "" }, /stop/],
    ["a list", [], /prompt|body|Object/],
  ])("%s: 400", async (_name, body, said) => {
    await start(alphabet(1));
    const response = await complete(body);
    expect(response.status).toBe(400);
    const { error } = (await response.json()) as { error: { message: string } };
    expect(error.message).toMatch(said);
    expect(error.message).not.toContain("\n");
    expect(await textsOf(await complete({ prompt: "a", max_tokens: 1 }))).toEqual(["b"]);
  });

  test.each<[string, string, RequestInit, number]>([
    ["what is no JSON", "/v1/completions", { method: "POST", headers: json, body: "{" }, 400],
    [
      "bytes that are no text",
      "/v1/completions",
      { method: "POST", headers: json, body: Uint8Array.of(0xff) },
      400,
    ],
    [
      "deep JSON",
      "/v1/completions",
      { method: "POST", headers: json, body: "[".repeat(50_000) },
      400,
    ],
    ["another type", "/v1/completions", { method: "POST", body: "{}" }, 415],
    [
      "a large body",
      "/v1/completions",
      { method: "POST", headers: json, body: " ".repeat(2 ** 20) },
      413,
    ],
    ["another path", "/v1/nothing", {}, 404],
    ["a name of objects", "/constructor", {}, 404],
    ["another method", "/v1/completions", { method: "DELETE" }, 405],
    ["Megatron's without prompts", "/api", { method: "PUT", headers: json, body: "{}" }, 400],
  ])("%s", async (_name, path, request, status) => {
    await start(alphabet(1));
    const response = await fetch(address + path, request);
    expect(response.status).toBe(status);
    expect(await response.json()).toMatchObject({ error: { type: "invalid_request_error" } });
  });

  test.each([
    ["no HTTP", "\u0000\u0001\u0002\r\n\r\n", "400"],
    ["endless headers", `GET / HTTP/1.1\r\nhost: a\r\nx: ${"y".repeat(2 ** 17)}\r\n\r\n`, "431"],
  ])("%s", async (_name, bytes, status) => {
    await start(alphabet(1));
    const socket = connect((server.address() as AddressInfo).port, "127.0.0.1");
    socket.on("error", () => undefined);
    socket.write(bytes);
    const [answer] = (await once(socket, "data")) as [Buffer];
    expect(answer.toString()).toContain(` ${status} `);
    socket.destroy();
  });
});

test("a key is asked for where there is one", async () => {
  await start(alphabet(1), { apiKey: "secret" });
  for (const headers of [{}, { authorization: "Bearer secre" }, { authorization: "secret" }]) {
    expect((await complete({ prompt: "a" }, headers)).status).toBe(401);
  }
  const headers = { authorization: "Bearer secret" };
  expect(await textsOf(await complete({ prompt: "a", max_tokens: 1 }, headers))).toEqual(["b"]);
  expect((await fetch(`${address}/v1/models`, { headers })).status).toBe(200);
  const page = await fetch(address);
  expect(await page.text()).toContain("<form>");
  expect(page.headers.get("content-security-policy")).toContain("default-src 'none'");
});
