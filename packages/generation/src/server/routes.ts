// What is at which path.

import { answerChat } from "./chat_completions.js";
import { answerCompletion } from "./completions.js";
import type { Exchange } from "./exchange.js";
import { HttpError } from "./http_error.js";
import { answerMegatron } from "./megatron.js";
import { listModels, retrieveModel } from "./models.js";
import { PAGE, PAGE_SCRIPT } from "./page.js";
import type { Served } from "./served.js";

/** Answers a request without a body; `rest` is what the path has in the place of `*`. */
type Show = (served: Served, exchange: Exchange, rest: string) => unknown;
/** Answers a request with JSON. */
type Act = (served: Served, exchange: Exchange, body: unknown) => Promise<void>;

/** What is at a path. HEAD is answered as GET, without the body, and OPTIONS everywhere. */
export interface Route {
  /** The path; one that ends in `*` is of all that begin as it does. */
  readonly path: string;
  readonly get?: Show;
  readonly post?: Act;
  readonly put?: Act;
  /** Whether anyone may read it, without the key. Default: false. */
  readonly isOpen?: boolean;
  /** Whether it is still answered while the server drains. Default: false. */
  readonly isForOperators?: boolean;
}

const page =
  (type: string, text: string): Show =>
  (_served, exchange) => {
    const policy =
      "default-src 'none'; script-src 'self'; style-src 'unsafe-inline'; connect-src 'self'";
    const headers = { "content-type": type, "content-security-policy": policy };
    exchange.send(200, { ...headers, "x-content-type-options": "nosniff" }, text);
  };

const showHealth: Show = ({ queue, drain }, exchange) => {
  const { running, waiting } = queue;
  const status = drain.isDraining ? "draining" : "ok";
  exchange.sendJson(drain.isDraining ? 503 : 200, { status, running, waiting });
};

const showMetrics: Show = async ({ metrics }, exchange) => {
  exchange.send(200, { "content-type": metrics.contentType }, await metrics.format());
};

const ROUTES: readonly Route[] = [
  { path: "/", get: page("text/html; charset=utf-8", PAGE), isOpen: true },
  { path: "/page.js", get: page("text/javascript; charset=utf-8", PAGE_SCRIPT), isOpen: true },
  { path: "/favicon.ico", get: (_, exchange) => exchange.send(204, {}, ""), isOpen: true },
  { path: "/health", get: showHealth, isOpen: true, isForOperators: true },
  { path: "/metrics", get: showMetrics, isForOperators: true },
  { path: "/v1/models", get: listModels },
  { path: "/v1/models/*", get: retrieveModel },
  { path: "/v1/completions", post: answerCompletion },
  { path: "/v1/chat/completions", post: answerChat },
  { path: "/api", put: answerMegatron },
];

/** The route of a path, and what the path has in the place of `*`. @throws HttpError where there is none. */
export function findRoute(path: string): { readonly route: Route; readonly rest: string } {
  const route = ROUTES.find(({ path: one }) =>
    one.endsWith("*") ? path.startsWith(one.slice(0, -1)) : path === one,
  );
  if (route !== undefined) return { route, rest: decode(path.slice(route.path.length - 1)) };
  throw new HttpError(404, `there is nothing at ${path.slice(0, 100)}`, { code: "unknown_url" });
}

/** Text without its percent signs; as it is where they are wrong. */
function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** The methods that a route takes. */
export const methodsOf = ({ get, post, put }: Route): readonly string[] => [
  ...(get ? ["GET", "HEAD"] : []),
  ...(post ? ["POST"] : []),
  ...(put ? ["PUT"] : []),
  "OPTIONS",
];
