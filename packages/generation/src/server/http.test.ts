import { once } from "node:events";
import { describe, expect, test } from "@jest/globals";
import { byteTokenizer } from "@tessera/tokenizer";
import { openRaw, requestBytes, type RawConnection } from "../testing/ask.js";
import { heldEngine, letterLimits } from "../testing/letters.js";
import { useServer } from "../testing/use_server.js";
import type { ExchangeRecord } from "./exchange.js";

const { ask, complete, current, get, sendRaw, start, untilIdle } = useServer();

describe("a proxy or a browser", () => {
  test("finds models, one by one too, as OpenAI describes them", async () => {
    await start({ model: "org/letters", aliases: ["alphabet"] });
    const { data, ...list } = (await (await get("/v1/models")).json()) as { data: object[] };
    expect(list).toEqual({ object: "list" });
    const record = {
      object: "model",
      owned_by: "tessera",
      created: expect.any(Number) as unknown,
      max_model_len: 10_000,
    };
    expect(data).toEqual([
      { id: "org/letters", ...record },
      { id: "alphabet", ...record },
    ]);
    for (const [i, path] of ["org/letters", "alphabet"].entries()) {
      expect(await (await get(`/v1/models/${path}`)).json()).toEqual(data[i]);
    }
    expect(await (await get("/v1/models/org%2Fletters?a=b")).json()).toEqual(data[0]);
  });

  test("asks by HEAD, by a whole URL, and with a query", async () => {
    await start();
    const head = await get("/health", { method: "HEAD" });
    expect([head.status, await head.text()]).toEqual([200, ""]);
    expect(Number(head.headers.get("content-length"))).toBeGreaterThan(10);
    expect((await sendRaw(requestBytes("GET", "http://a.example/health?x"))).status).toBe(200);
    expect((await get("/health?x=y")).status).toBe(200);
    expect((await get("/favicon.ico")).status).toBe(204);
  });

  test("may hold a connection for longer than its own 60 seconds", async () => {
    await start();
    const { received, socket } = await sendRaw(requestBytes("GET", "/health"));
    expect(received()).toMatch(/keep-alive: timeout=75/i);
    socket.destroy();
  });

  test("is told of origins that may ask, and those alone", async () => {
    const origin = "https://page.example";
    await start({ access: { origins: [origin] } });
    const preflight = (from: string) =>
      get("/v1/completions", {
        method: "OPTIONS",
        headers: {
          origin: from,
          "access-control-request-method": "POST",
          "access-control-request-headers": "authorization,content-type,x-stainless-os",
        },
      });
    const allowed = await preflight(origin);
    expect(allowed.status).toBe(204);
    expect(Object.fromEntries(allowed.headers)).toMatchObject({
      "access-control-allow-origin": origin,
      "access-control-allow-methods": "POST, OPTIONS",
      "access-control-allow-headers": "authorization,content-type,x-stainless-os",
      vary: "Origin",
    });
    const refused = await preflight("https://other.example");
    expect([...refused.headers.keys()].filter((name) => name.startsWith("access"))).toEqual([]);
    const asked = await ask({ prompt: "" }, { headers: { origin } });
    expect(asked.status).toBe(400);
    expect(asked.headers.get("access-control-allow-origin")).toBe(origin);
  });

  test("may ask from anywhere where that is allowed, and from nowhere by default", async () => {
    await start({ access: { origins: ["*"] } });
    const headers = { origin: "https://any.example" };
    const { headers: given } = await get("/v1/models", { headers });
    expect(given.get("access-control-allow-origin")).toBe("https://any.example");
    await current().stop();
    await start();
    const without = await get("/v1/models", { headers });
    expect(without.headers.get("access-control-allow-origin")).toBeNull();
  });

  test.each([
    ["localhost", 200],
    ["LOCALHOST:8000", 200],
    ["127.0.0.1:1", 200],
    ["[::1]:1", 200],
    ["machine", 200],
    ["a.localhost", 200],
    ["served.example:80", 200],
    ["page.example", 403],
    ["page.example.:80", 403],
    ["127.0.0.1.page.example", 403],
    ["localhost.page.example", 403],
    ["1.2.3.4.5", 403],
  ])("that asks for the host %s is answered %i", async (host, status) => {
    await start({ access: { hosts: ["served.example"] } });
    const { status: given, socket } = await sendRaw(
      `GET /v1/models HTTP/1.1\r\nhost: ${host}\r\n\r\n`,
    );
    expect(given).toBe(status);
    socket.destroy();
  });

  test("sends a body once it is let to, and not one that is too large", async () => {
    await start();
    const body = JSON.stringify({ prompt: "a", max_tokens: 1 });
    const headers = (length: number): string =>
      `POST /v1/completions HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\nexpect: 100-continue\r\ncontent-length: ${length}\r\n\r\n`;
    const { socket, until, received } = openRaw(current().port, headers(body.length));
    await until(/^HTTP\/1.1 100 Continue\r\n\r\n/);
    socket.write(body);
    await until(/HTTP\/1.1 200/);
    socket.destroy();
    expect(received()).not.toMatch(/413/);
    const refused = await sendRaw(headers(1e9));
    expect(refused.status).toBe(413);
    await refused.closed;
  });

  test("names its requests, and finds the names in the log", async () => {
    const records: ExchangeRecord[] = [];
    await start({ log: (record) => void records.push(record) });
    const named = await get("/health", { headers: { "x-request-id": "abc-1" } });
    expect(named.headers.get("x-request-id")).toBe("abc-1");
    const other = await get("/nothing?a", { headers: { "x-request-id": "a b" } });
    const id = other.headers.get("x-request-id")!;
    expect(id).toMatch(/^[\da-f-]{36}$/);
    await Promise.all([named.text(), other.text()]);
    while (records.length < 2) await new Promise((resolve) => setTimeout(resolve, 5));
    expect(records).toMatchObject([
      { id: "abc-1", method: "GET", path: "/health", status: 200, isCut: false },
      { id, path: "/nothing", status: 404, client: "127.0.0.1" },
    ]);
    expect(records[0]!.bytes).toBeGreaterThan(10);
  });
});

describe("a key", () => {
  test("is asked for where there is one, however its scheme is written", async () => {
    await start({ access: { apiKey: "secret" } });
    for (const authorization of ["", "Bearer secre", "secret", "Basic secret", "Bearer  "]) {
      const refused = await ask({ prompt: "a" }, { headers: { authorization } });
      expect(refused.status).toBe(401);
      expect(refused.headers.get("www-authenticate")).toBe("Bearer");
      expect(await refused.json()).toMatchObject({ error: { code: "invalid_api_key" } });
    }
    for (const scheme of ["Bearer", "bearer", "BEARER "]) {
      const headers = { authorization: `${scheme} secret` };
      expect((await ask({ prompt: "a", max_tokens: 1 }, { headers })).status).toBe(200);
      expect((await get("/v1/models", { headers })).status).toBe(200);
      expect((await get("/metrics", { headers })).status).toBe(200);
    }
  });

  test("is asked for before a body is read, and not for what all may see", async () => {
    await start({ access: { apiKey: "secret" } });
    const long = `POST /v1/completions HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: 60000\r\n\r\n`;
    const { status, socket } = await sendRaw(long);
    expect(status).toBe(401);
    socket.destroy();
    expect((await get("/metrics")).status).toBe(401);
    const page = await get("/");
    expect(await page.text()).toContain("<form>");
    expect(page.headers.get("content-security-policy")).toContain("default-src 'none'");
    expect((await get("/health")).status).toBe(200);
    expect((await get("/v1/models", { method: "OPTIONS" })).status).toBe(204);
  });
});

describe("connections", () => {
  test("that ask for nothing make room for others, and then those that have only begun to", async () => {
    await start({ limits: { ...letterLimits, maxConnections: 3 } });
    const { server, port } = current();
    const begun = requestBytes("POST", "/v1/completions", { prompt: "a" }).slice(0, -1);
    const idle: RawConnection[] = [];
    for (const [bytes, event] of [
      [begun, "request"],
      ["GET / HT", "connection"],
      [begun, "request"],
    ] as const) {
      const seen = once(server, event);
      idle.push(openRaw(port, bytes));
      await seen;
    }
    await complete({ prompt: "a", max_tokens: 1 });
    await idle[1]!.closed;
    const other = openRaw(port, begun);
    await idle[0]!.closed;
    other.socket.destroy();
  });

  test("are refused where all are at work", async () => {
    const { engine, release } = heldEngine(2);
    let read = 0;
    const tokenizer = {
      ...byteTokenizer,
      encode: (text: string) => ((read += 1), byteTokenizer.encode(text)),
    };
    await start({ engine, tokenizer, limits: { ...letterLimits, maxConnections: 2 } });
    const bytes = requestBytes("POST", "/v1/completions", { prompt: "a", max_tokens: 2 });
    const busy = [openRaw(current().port, bytes), openRaw(current().port, bytes)];
    while (read < 2) await new Promise((resolve) => setTimeout(resolve, 5));
    await openRaw(current().port, requestBytes("GET", "/health")).closed;
    release();
    for (const { until, socket } of busy) {
      await until(/"text":"bc"/);
      socket.destroy();
    }
    await untilIdle();
  });
});

test("Prometheus finds what was asked for, and what it took", async () => {
  await start();
  await complete({ prompt: "abc", max_tokens: 5, n: 2 });
  await ask({ prompt: "" });
  const metrics = await get("/metrics");
  expect(metrics.headers.get("content-type")).toMatch(/^text\/plain; version=0\.0\.4/);
  const text = await metrics.text();
  const valueOf = (name: string): number =>
    Number(
      text
        .split("\n")
        .find((line) => line.startsWith(`${name} `))
        ?.slice(name.length),
    );
  const route = 'route="/v1/completions",method="POST"';
  expect(valueOf(`tessera_http_requests_total{${route},status="200"}`)).toBe(1);
  expect(valueOf(`tessera_http_requests_total{${route},status="400"}`)).toBe(1);
  expect(valueOf("tessera_prompt_tokens_total")).toBe(3);
  expect(valueOf("tessera_completion_tokens_total")).toBe(10);
  expect(valueOf("tessera_first_token_seconds_count")).toBe(2);
  expect(valueOf("tessera_texts_running")).toBe(0);
  expect(valueOf("tessera_connections")).toBeGreaterThan(0);
  expect(valueOf("process_resident_memory_bytes")).toBeGreaterThan(1e6);
});
