import { describe, expect, test } from "@jest/globals";
import { byteTokenizer } from "@tessera/tokenizer";
import { eventsOf, openRaw, requestBytes } from "../testing/ask.js";
import { heldEngine, letterLimits, lettersEngine } from "../testing/letters.js";
import { useServer, type Completion } from "../testing/use_server.js";
import type { ExchangeRecord } from "./exchange.js";

const { ask, current, health, start, textsOf, untilRunning, untilIdle } = useServer();

describe("a text", () => {
  test("streams as it would be given at once", async () => {
    await start();
    const asked = { prompt: ["a", "k"], max_tokens: 30 };
    const response = await ask({ ...asked, stream: true });
    expect(response.headers.get("content-type")).toBe("text/event-stream");
    const events = (await eventsOf(response)) as Completion[];
    const choices = events.flatMap((event) => event.choices);
    const texts = [0, 1].map((index) =>
      choices.filter((choice) => choice.index === index).map(({ text }) => text),
    );
    expect(texts[0]!.length).toBeGreaterThan(20);
    const whole = await textsOf(asked);
    expect(texts.map((pieces) => pieces.join(""))).toEqual(whole);
    expect(choices.filter((choice) => choice.finish_reason === "length")).toHaveLength(2);
  });

  test("is each client's own, of 64 at once", async () => {
    await start({ engine: lettersEngine({ rows: 8 }) });
    const clients = Array.from({ length: 64 }, async (_, client) => {
      for (let turn = 0; turn < 3; turn += 1) {
        const prompt = String.fromCharCode(97 + ((client + turn) % 25));
        const [text] = await textsOf({ prompt, max_tokens: 1 + (client % 7) });
        expect(text![0]).toBe(String.fromCharCode(prompt.charCodeAt(0) + 1));
        expect(text).toHaveLength(1 + (client % 7));
      }
    });
    await Promise.all(clients);
    expect(await health()).toMatchObject({ running: 0, waiting: 0 });
  });

  test("is not written for more clients than may wait", async () => {
    // One is served and two wait, however late the others come, until nine were turned away.
    const { engine, release } = heldEngine(1);
    await start({ engine, limits: { ...letterLimits, maxWaiting: 2 } });
    let turnedAway = 0;
    const clients = Array.from({ length: 12 }, async () => {
      const answer = await ask({ prompt: "a", max_tokens: 3 });
      if (answer.status === 429 && (turnedAway += 1) === 9) release();
      return answer;
    });
    const answers = await Promise.all(clients);
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(3);
    expect(turnedAway).toBe(9);
    const refused = answers.find(({ status }) => status === 429)!;
    expect(refused.headers.get("retry-after")).toBe("1");
    expect(await refused.json()).toMatchObject({ error: { code: "rate_limit_exceeded" } });
    expect((await ask({ prompt: "a", n: 4 })).status).toBe(400); // which would never have a place
    await untilIdle();
  });
});

describe("a client that leaves", () => {
  test("gives its place to the next one", async () => {
    await start({ engine: lettersEngine({ rows: 1 }) });
    for (const stream of [true, false]) {
      const gone = new AbortController();
      const asked = ask({ prompt: "a", max_tokens: 2000, stream }, { signal: gone.signal }).then(
        (response) => response.text(),
      );
      const ended = expect(asked).rejects.toThrow("aborted");
      await untilRunning();
      const waiting = textsOf({ prompt: "b", max_tokens: 2 });
      gone.abort();
      await ended;
      expect(await waiting).toEqual(["cd"]);
      await untilIdle();
    }
  });

  test("leaves no work behind of many requests that it sent at once", async () => {
    let steps = 0;
    await start({ engine: lettersEngine({ rows: 4, atStep: () => (steps += 1) }) });
    for (const stream of [true, false]) {
      const one = requestBytes("POST", "/v1/completions", {
        prompt: "a",
        max_tokens: 2000,
        stream,
      });
      const { socket, closed } = openRaw(current().port, one.repeat(200));
      await untilRunning();
      socket.end();
      await closed;
      await untilIdle();
    }
    expect(steps).toBeLessThan(2000);
  });

  test("is noticed behind a body that nobody reads yet", async () => {
    await start();
    const first = requestBytes("POST", "/v1/completions", { prompt: "a", max_tokens: 2000 });
    const second = `POST /v1/completions HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: 100000000\r\n\r\n${" ".repeat(2 ** 20)}`;
    const { socket } = openRaw(current().port, first + second);
    await untilRunning();
    socket.destroy();
    await untilIdle();
  });

  /** A token has so many bytes that sockets cannot hold a text. */
  const long = { ...byteTokenizer, bytesOf: () => Buffer.alloc(2 ** 20, "x") };

  test.each([
    ["a stream", true],
    ["an answer", false],
  ])(
    "having read nothing of %s is dropped, and what it did not read is not kept",
    async (_name, stream) => {
      const limits = { ...letterLimits, stallSeconds: 0.2 };
      let ended = (): void => undefined;
      const cut = new Promise<void>((resolve) => (ended = resolve));
      const log = ({ path, isCut }: ExchangeRecord) => {
        if (path === "/v1/completions" && isCut) ended();
      };
      await start({ engine: lettersEngine({ rows: 8 }), tokenizer: long, limits, log });
      const body = { prompt: "a", max_tokens: stream ? 1000 : 4, n: 8, stream };
      const { socket, received, closed } = openRaw(
        current().port,
        requestBytes("POST", "/v1/completions", body),
      );
      socket.pause();
      await cut;
      await untilIdle();
      socket.resume();
      await closed;
      expect(received().length).toBeLessThan(20 * 2 ** 20);
    },
  );
});

describe("requests that are sent before the last one was answered", () => {
  test("are answered in their order", async () => {
    await start();
    const lengths = [3, 1, 2, 5, 4];
    const requests = lengths.map((max_tokens, i) =>
      requestBytes("POST", "/v1/completions", { prompt: "a", max_tokens, stream: i % 2 === 1 }),
    );
    const bytes = [...requests, requestBytes("GET", "/nothing"), requestBytes("GET", "/health")];
    const { socket, received, until } = openRaw(current().port, bytes.join(""));
    await until(/"status":"ok"/);
    socket.destroy();
    const answers = received().split("HTTP/1.1 ").slice(1);
    expect(answers.map((answer) => answer.slice(0, 3))).toEqual([
      ...lengths.map(() => "200"),
      "404",
      "200",
    ]);
    lengths.forEach((length, i) => {
      const texts = [...answers[i]!.matchAll(/"text":"(\w*)"/g)].map(([, text]) => text);
      expect(texts.join("")).toBe("bcdefg".slice(0, length));
    });
  });

  test("do not disturb each other when one fails", async () => {
    await start();
    const good = { prompt: "a", max_tokens: 20, stream: true };
    const bad = { prompt: ["a", ""], max_tokens: 20, stream: true };
    const bytes = [good, bad, good].map((body) => requestBytes("POST", "/v1/completions", body));
    const { socket, received, until } = openRaw(current().port, bytes.join(""));
    await until(/DONE[^]*DONE/);
    socket.destroy();
    expect(received().match(/HTTP\/1\.1 \d+/g)).toEqual([
      "HTTP/1.1 200",
      "HTTP/1.1 400",
      "HTTP/1.1 200",
    ]);
    await untilIdle();
  });

  test("are too many at some point: the client is cut off", async () => {
    const { engine, release } = heldEngine(1);
    await start({ engine });
    const first = requestBytes("POST", "/v1/completions", { prompt: "a", max_tokens: 2 });
    const { closed } = openRaw(current().port, first + requestBytes("GET", "/health").repeat(1000));
    await closed;
    release();
    await untilIdle();
  });
});
