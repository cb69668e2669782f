// A text-generation server: OpenAI's completions and chat, Megatron's /api, a page to try prompts. What clients send is
// hostile until checked; whatever is wrong with it is answered in a sentence.

import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import { allowOrigin, answerOptions, checkHost, checkKey, type Access } from "./access.js";
import { readBody } from "./body.js";
import { watchConnections } from "./connections.js";
import { createDrain, stopping } from "./drain.js";
import { Exchange, type ExchangeRecord } from "./exchange.js";
import { errorBody, HttpError } from "./http_error.js";
import { createMemoryBudget } from "./memory.js";
import { createMetrics } from "./metrics.js";
import type { Limits } from "./parameters.js";
import { createTextQueue } from "./queue.js";
import { findRoute, methodsOf, type Route } from "./routes.js";
import type { Served, ServedModel } from "./served.js";

/** What clients of a server may take of it: places, bytes and seconds. */
export interface ServerLimits extends Limits {
  /** Texts that may wait for their turn; more are turned away. */
  readonly maxWaiting: number;
  readonly maxConnections: number;
  /** Bytes that all clients together may hold: bodies, and answers until they are read. Default: 256 MiB. */
  readonly maxMemoryBytes?: number;
  /** Bytes of a stream that a client may leave unread. Default: 1 MiB. */
  readonly maxUnsentBytes?: number;
  /** Seconds for the headers of a request. Default: 10. */
  readonly headersSeconds?: number;
  /** Seconds for a whole request, body and all. Default: 30. */
  readonly requestSeconds?: number;
  /** Seconds for which a connection may be idle: more than the 60 of common proxies. Default: 75. */
  readonly idleSeconds?: number;
  /** Seconds for which a client may read nothing of what waits for it. Default: 60. */
  readonly stallSeconds?: number;
}

/** The model that a server serves, to whom, within which limits, and who is told. */
export interface TextServerOptions extends ServedModel {
  readonly limits: ServerLimits;
  /** Default: all may ask, by any name, but no web pages of other origins. */
  readonly access?: Partial<Access>;
  /** Told of failures that are not a client's. */
  readonly report: (error: unknown) => void;
  /** Told of each request that is over. Default: nobody is. */
  readonly log?: (record: ExchangeRecord) => void;
}

/** A server that can end well. */
export interface TextServer extends Server {
  /**
   * Takes no more work, and closes once what was taken is done, or cut after `seconds`. Meanwhile `/health` says 503.
   * Resolves with how many requests were cut.
   */
  drain(seconds: number): Promise<number>;
}

/** A server that does not listen yet. */
export function createTextServer(options: TextServerOptions): TextServer {
  const { limits, report, log } = options;
  const access: Access = { apiKey: null, hosts: null, origins: [], ...options.access };
  const server = createServer({ connectionsCheckingInterval: 1000 });
  server.headersTimeout = 1000 * (limits.headersSeconds ?? 10);
  server.requestTimeout = 1000 * (limits.requestSeconds ?? 30);
  server.keepAliveTimeout = 1000 * (limits.idleSeconds ?? 75);
  const connections = watchConnections(server, limits.maxConnections, report);
  const memory = createMemoryBudget(limits.maxMemoryBytes ?? 2 ** 28);
  const queue = createTextQueue(options.engine, options.tokenizer, limits.maxWaiting);
  const served: Served = {
    ...options,
    queue,
    drain: createDrain(),
    metrics: createMetrics({
      running: () => queue.running,
      waiting: () => queue.waiting,
      connections: () => connections.count,
      memory: () => memory.held,
    }),
    created: Math.floor(Date.now() / 1000),
  };
  const accept = (request: IncomingMessage, response: ServerResponse): void => {
    const exchange = new Exchange(request, response, {
      memory: memory.open(),
      maxUnsentBytes: limits.maxUnsentBytes ?? 2 ** 20,
      stallTimeout: 1000 * (limits.stallSeconds ?? 60),
      report,
    });
    if (served.drain.isDraining) exchange.setHeader("connection", "close");
    const { route, act } = prepare(served, access, exchange);
    exchange.over
      .then(() => {
        served.metrics.observe(route, exchange.record);
        log?.(exchange.record);
      })
      .catch(report);
    connections.queue(exchange, act);
  };
  server.on("request", accept);
  server.on("checkContinue", accept);
  server.on("clientError", (error: NodeJS.ErrnoException, socket) => {
    if (!socket.writable || connections.isAsking(socket)) socket.destroy();
    else refuseConnection(error, socket);
  });
  return Object.assign(server, {
    async drain(seconds: number) {
      const cut = await served.drain.start(connections.exchanges, seconds);
      server.close();
      server.closeAllConnections();
      await queue.rest();
      return cut;
    },
  });
}

/** What is done for a request once it is its turn. */
interface Prepared {
  /** The pattern of the path, for metrics. */
  readonly route: string;
  readonly act: () => Promise<void>;
}

/**
 * Checks who asks for what, and begins to read the body: also while earlier requests of the connection are answered,
 * since a connection that is not read does not tell that its client left.
 */
function prepare(served: Served, access: Access, exchange: Exchange): Prepared {
  let path = "other";
  try {
    allowOrigin(exchange, access);
    checkHost(exchange, access);
    const { route, rest } = findRoute(exchange.path);
    path = route.path;
    const answer = answerOf(served, access, exchange, { route, rest });
    return { route: path, act: () => attempt(exchange, answer) };
  } catch (error) {
    exchange.request.resume();
    return { route: path, act: () => attempt(exchange, () => exchange.fail(error)) };
  }
}

async function attempt(exchange: Exchange, answer: () => unknown): Promise<void> {
  try {
    await answer();
  } catch (error) {
    exchange.fail(error);
  }
}

function answerOf(
  served: Served,
  access: Access,
  exchange: Exchange,
  { route, rest }: { readonly route: Route; readonly rest: string },
): () => unknown {
  const allow = methodsOf(route).join(", ");
  const { method } = exchange;
  if (method === "OPTIONS") return () => answerOptions(exchange, allow, access);
  if (route.isOpen !== true) checkKey(exchange, access);
  const { get } = route;
  const act = method === "POST" ? route.post : method === "PUT" ? route.put : undefined;
  const isShown = get !== undefined && (method === "GET" || method === "HEAD");
  if (act === undefined && !isShown) {
    throw new HttpError(405, `${route.path} takes ${allow}`, {
      code: "method_not_supported",
      headers: { allow },
    });
  }
  if (served.drain.isDraining && route.isForOperators !== true) throw stopping();
  if (act === undefined) {
    exchange.request.resume();
    return () => get?.(served, exchange, rest);
  }
  // A page from elsewhere cannot send this type unasked.
  if (!/^application\/json\s*(;|$)/i.test(exchange.request.headers["content-type"] ?? "")) {
    throw new HttpError(415, "the body must be application/json");
  }
  const body = readBody(exchange, served.limits.maxBodyBytes);
  // It is awaited in its turn. What is left of one that is refused is dropped.
  body.catch(() => exchange.request.resume());
  return async () => act(served, exchange, await body);
}

/** Answers what is no HTTP, or comes too slowly. */
function refuseConnection(error: NodeJS.ErrnoException, socket: Duplex): void {
  const [status, said] =
    error.code === "HPE_HEADER_OVERFLOW"
      ? [431, "the headers are too long"]
      : error.code === "ERR_HTTP_REQUEST_TIMEOUT"
        ? [408, "the request came too slowly"]
        : [400, "the request is not HTTP"];
  const body = `${JSON.stringify(errorBody(new HttpError(status, said)))}\n`;
  socket.end(
    `HTTP/1.1 ${status} ${said}\r\nconnection: close\r\ncontent-type: application/json\r\n` +
      `content-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
    () => socket.destroy(),
  );
}
