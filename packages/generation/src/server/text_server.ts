// A text-generation server: OpenAI's /v1/completions, Megatron's /api, a page to try prompts. What clients
// send is hostile until checked; whatever is wrong with it is answered in a sentence.

import { createHash, timingSafeEqual } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { UserError } from "@tessera/config";
import type { Tokenizer } from "@tessera/tokenizer";
import type { Engine } from "../engine.js";
import { answerCompletion, answerMegatron, sendJson } from "./answer.js";
import { readBody } from "./body.js";
import { HttpError } from "./http_error.js";
import { PAGE, PAGE_SCRIPT } from "./page.js";
import { createTextQueue, type TextQueue } from "./queue.js";
import { completionOf, megatronOf, type Limits, type TextsRequest } from "./request.js";

export interface ServerLimits extends Limits {
  /** Texts that may wait for their turn; more are turned away. */
  readonly maxWaiting: number;
  readonly maxConnections: number;
}

export interface TextServerOptions {
  readonly engine: Engine;
  readonly tokenizer: Tokenizer;
  /** What the model is called. */
  readonly model: string;
  readonly limits: ServerLimits;
  /** What clients must send as a bearer token; null where all may ask. */
  readonly apiKey: string | null;
  /** Told of failures that are not a client's. */
  readonly report: (error: unknown) => void;
}

interface Served extends TextServerOptions {
  readonly queue: TextQueue;
}

/** Beside its prompts, a body has little: each character may take 6 bytes as JSON. */
const bodyBytes = ({ maxPromptLength, maxTexts }: Limits): number =>
  Math.min(2 ** 26, 2 ** 16 + 6 * maxPromptLength * maxTexts);

/** A server that does not listen yet. */
export function createTextServer(options: TextServerOptions): Server {
  const served = { ...options, queue: createTextQueue(options.engine, options.tokenizer) };
  const server = createServer((request, response) => {
    answer(served, request, response).catch((error: unknown) => refuse(served, response, error));
  });
  server.maxConnections = options.limits.maxConnections;
  server.headersTimeout = 10_000;
  server.requestTimeout = 30_000;
  return server;
}

type Handler = (served: Served, request: IncomingMessage, response: ServerResponse) => unknown;

const page =
  (type: string, text: string): Handler =>
  (_served, _request, response) => {
    const policy =
      "default-src 'none'; script-src 'self'; style-src 'unsafe-inline'; connect-src 'self'";
    const headers = { "content-type": type, "content-security-policy": policy };
    response.writeHead(200, { ...headers, "x-content-type-options": "nosniff" }).end(text);
  };

const routes: Readonly<Record<string, Readonly<Record<string, Handler>>>> = {
  "/": { GET: page("text/html; charset=utf-8", PAGE) },
  "/page.js": { GET: page("text/javascript; charset=utf-8", PAGE_SCRIPT) },
  "/health": {
    GET: ({ queue: { running, waiting } }, _request, response) =>
      sendJson(response, 200, { status: "ok", running, waiting }),
  },
  "/v1/models": {
    GET: ({ model }, _request, response) =>
      sendJson(response, 200, { object: "list", data: [{ id: model, object: "model" }] }),
  },
  "/v1/completions": {
    POST: async (served, request, response) =>
      answerCompletion({ ...served, response }, await textsOf(served, request, completionOf)),
  },
  "/api": {
    PUT: async (served, request, response) =>
      answerMegatron({ ...served, response }, await textsOf(served, request, megatronOf)),
  },
};

/** Paths that anyone may read. */
const OPEN = new Set(["/", "/page.js", "/health"]);

async function answer(
  served: Served,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const [path = "/"] = (request.url ?? "/").split("?", 1);
  const methods = Object.hasOwn(routes, path) ? routes[path] : undefined;
  if (methods === undefined) throw new HttpError(404, `there is nothing at ${path.slice(0, 100)}`);
  if (!OPEN.has(path)) checkKey(served.apiKey, request);
  const handler = Object.hasOwn(methods, request.method ?? "")
    ? methods[request.method!]
    : undefined;
  if (handler === undefined) {
    const allow = Object.keys(methods).join(", ");
    throw new HttpError(405, `${path} takes ${allow}`, { allow });
  }
  await handler(served, request, response);
}

function checkKey(apiKey: string | null, request: IncomingMessage): void {
  if (apiKey === null) return;
  const [, given = ""] = /^Bearer (.+)$/.exec(request.headers.authorization ?? "") ?? [];
  const digest = (text: string) => createHash("sha256").update(text).digest();
  // Compared in a time that tells nothing of the key.
  if (timingSafeEqual(digest(given), digest(apiKey))) return;
  throw new HttpError(401, "send the server's key as Authorization: Bearer KEY", {
    "www-authenticate": "Bearer",
    connection: "close",
  });
}

type Parse = (body: unknown, limits: Limits) => TextsRequest;

async function textsOf(
  served: Served,
  request: IncomingMessage,
  parse: Parse,
): Promise<TextsRequest> {
  const { limits, queue } = served;
  // A page from elsewhere cannot send this type unasked.
  if (!/^application\/json\b/i.test(request.headers["content-type"] ?? "")) {
    throw new HttpError(415, "the body must be application/json", { connection: "close" });
  }
  const asked = parse(await readBody(request, bodyBytes(limits)), limits);
  if (queue.waiting + asked.texts.length > limits.maxWaiting + served.engine.rows - queue.running) {
    throw new HttpError(429, `${queue.waiting} texts wait already`, { "retry-after": "1" });
  }
  return asked;
}

function refuse({ report }: Served, response: ServerResponse, error: unknown): void {
  if (response.destroyed) return;
  const known =
    error instanceof HttpError
      ? error
      : error instanceof UserError
        ? new HttpError(400, error.message)
        : new HttpError(500, "the server failed");
  if (known.status === 500) report(error);
  const type = known.status < 500 ? "invalid_request_error" : "server_error";
  const body = { error: { message: known.message, type } };
  if (response.headersSent) response.end(`data: ${JSON.stringify(body)}\n\n`);
  else sendJson(response, known.status, body, known.headers);
}
