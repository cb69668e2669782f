// Who may ask: by key, by the name that the server was asked under, and from which web pages.

import { createHash, timingSafeEqual } from "node:crypto";
import type { Exchange } from "./exchange.js";
import { HttpError } from "./http_error.js";

/** Who may ask. */
export interface Access {
  /** What clients must send as a bearer token; null where all may ask. */
  readonly apiKey: string | null;
  /** Names of this server, beside addresses and names without a dot; null for any. */
  readonly hosts: readonly string[] | null;
  /** Origins of web pages that may ask; "*" for all. */
  readonly origins: readonly string[];
}

/**
 * Refuses a request that a web page has a browser send to this machine under a name that the page's owner directs here
 * (DNS rebinding). Such a name has a dot, and is no address.
 */
export function checkHost({ request }: Exchange, { hosts }: Access): void {
  const { host } = request.headers;
  if (hosts === null || host === undefined) return;
  const name = host.toLowerCase().replace(/:\d*$/, "").replace(/\.$/, "");
  const isAddress = /^\[[\da-f:.]*\]$|^\d+\.\d+\.\d+\.\d+$/.test(name);
  const isLocal = !name.includes(".") || name.endsWith(".localhost");
  if (isAddress || isLocal || hosts.some((one) => one.toLowerCase() === name)) return;
  const shown = JSON.stringify(host.slice(0, 100));
  throw new HttpError(403, `the host ${shown} is not served; --allowed-hosts adds names`, {
    code: "host_not_allowed",
  });
}

export function checkKey({ request }: Exchange, { apiKey }: Access): void {
  if (apiKey === null) return;
  const [, given = ""] = /^Bearer +(.+)$/i.exec(request.headers.authorization ?? "") ?? [];
  const digest = (text: string) => createHash("sha256").update(text).digest();
  // Compared in a time that tells nothing of the key.
  if (timingSafeEqual(digest(given.trim()), digest(apiKey))) return;
  throw new HttpError(401, "send the server's key as Authorization: Bearer KEY", {
    code: "invalid_api_key",
    headers: { "www-authenticate": "Bearer" },
  });
}

/** Headers that let pages of allowed origins read the answer. */
export function allowOrigin(exchange: Exchange, { origins }: Access): void {
  if (origins.length === 0) return;
  exchange.setHeader("vary", "Origin");
  const { origin } = exchange.request.headers;
  if (origin === undefined || !isAllowed(origin, origins)) return;
  exchange.setHeader("access-control-allow-origin", origin);
  exchange.setHeader("access-control-expose-headers", "x-request-id, retry-after");
}

/** Answers OPTIONS, by which browsers ask whether a page may send a request. */
export function answerOptions(exchange: Exchange, allow: string, { origins }: Access): void {
  const { origin, "access-control-request-headers": asked } = exchange.request.headers;
  const cors = {
    "access-control-allow-methods": allow,
    "access-control-allow-headers": asked ?? "authorization, content-type, x-request-id",
    "access-control-max-age": "600",
  };
  exchange.send(
    204,
    { allow, ...(origin !== undefined && isAllowed(origin, origins) ? cors : {}) },
    "",
  );
}

function isAllowed(origin: string, origins: readonly string[]): boolean {
  return origins.includes("*") || origins.includes(origin);
}
