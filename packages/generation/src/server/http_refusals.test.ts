import { describe, expect, test } from "@jest/globals";
import { json, requestBytes } from "../testing/ask.js";
import { letterLimits } from "../testing/letters.js";
import { useServer } from "../testing/use_server.js";

const { get, sendRaw, start, textsOf } = useServer();

describe("a request is refused", () => {
  const completions = "/v1/completions";
  test.each<[string, string, RequestInit, number, string | null]>([
    ["no JSON", completions, { method: "POST", headers: json, body: "{" }, 400, null],
    [
      "bytes that are no text",
      completions,
      { method: "POST", headers: json, body: Uint8Array.of(0x22, 0xff, 0x22) },
      400,
      null,
    ],
    ["deep JSON", completions, { method: "POST", headers: json, body: "[".repeat(5e4) }, 400, null],
    ["a type that pages may send unasked", completions, { method: "POST", body: "{}" }, 415, null],
    [
      "a type that begins as JSON's",
      completions,
      { method: "POST", headers: { "content-type": "application/json-seq" }, body: "{}" },
      415,
      null,
    ],
    [
      "an encoded body",
      completions,
      { method: "POST", headers: { ...json, "content-encoding": "gzip" }, body: "{}" },
      415,
      null,
    ],
    [
      "a large body",
      completions,
      { method: "POST", headers: json, body: " ".repeat(2 ** 20) },
      413,
      "body_too_large",
    ],
    ["another path", "/v1/nothing", {}, 404, "unknown_url"],
    ["a path below", "/v1/completions/", {}, 404, "unknown_url"],
    ["a name of objects", "/constructor", {}, 404, "unknown_url"],
    ["another model", "/v1/models/gpt-4", {}, 404, "model_not_found"],
    ["no model", "/v1/models/", {}, 404, "model_not_found"],
    ["percent signs", "/v1/models/%zz", {}, 404, "model_not_found"],
    ["another method", completions, { method: "DELETE" }, 405, "method_not_supported"],
    ["a method for reading", completions, {}, 405, "method_not_supported"],
    [
      "Megatron's without prompts",
      "/api",
      { method: "PUT", headers: json, body: "{}" },
      400,
      "missing_required_parameter",
    ],
    [
      "Megatron's beams",
      "/api",
      { method: "PUT", headers: json, body: '{"prompts":["a"],"beam_width":2}' },
      400,
      "unsupported_parameter",
    ],
  ])("for %s", async (_name, path, init, status, code) => {
    await start();
    const response = await get(path, init);
    expect(response.status).toBe(status);
    const body = (await response.json()) as object;
    expect(body).toMatchObject({ error: { type: "invalid_request_error", code } });
    if (status === 405) expect(response.headers.get("allow")).toBe("POST, OPTIONS");
    expect(await textsOf({ prompt: "a", max_tokens: 1 })).toEqual(["b"]);
  });

  const twice = "content-length: 2\r\ncontent-length: 3\r\n";
  const both = "content-length: 2\r\ntransfer-encoding: chunked\r\n";
  test.each<[string, string | Uint8Array, number]>([
    ["no HTTP", "\0\x01\x02\r\n\r\n", 400],
    ["a TLS hello", Uint8Array.of(22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3), 400],
    ["endless headers", `GET / HTTP/1.1\r\nhost: a\r\nx: ${"y".repeat(2 ** 17)}\r\n\r\n`, 431],
    ["two lengths", `POST /v1/completions HTTP/1.1\r\nhost: a\r\n${twice}\r\n{}`, 400],
    ["a length and chunks", `POST /v1/completions HTTP/1.1\r\nhost: a\r\n${both}\r\n{}`, 400],
    ["no host", "GET /health HTTP/1.1\r\n\r\n", 400],
    [
      "a bad chunk",
      `POST /v1/completions HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n`,
      400,
    ],
  ])("for %s", async (_name, bytes, status) => {
    await start();
    const { status: given, closed } = await sendRaw(bytes);
    expect(given).toBe(status);
    await closed;
    expect(await textsOf({ prompt: "a", max_tokens: 1 })).toEqual(["b"]);
  });

  test("when it comes too slowly: its headers, and its body", async () => {
    await start({ limits: { ...letterLimits, headersSeconds: 0.5, requestSeconds: 1 } });
    const body = requestBytes("POST", "/v1/completions", { prompt: "a" }).slice(0, -2);
    await Promise.all(
      ["", "GET /health HTTP/1.1\r\nhost: a\r\n", body].map(async (bytes) => {
        const { status, closed } = await sendRaw(bytes);
        expect(status).toBe(408);
        await closed;
      }),
    );
  });
});
