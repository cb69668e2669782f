// Reading a request's body: JSON, never more of it than may be.

import type { Exchange } from "./exchange.js";
import { HttpError } from "./http_error.js";

/**
 * Reads the JSON in the body of a request. What is over `maxBytes` is read on, and dropped, so that the client comes to
 * read the refusal.
 * @throws HttpError where there is none, or it is too long.
 */
export async function readBody(exchange: Exchange, maxBytes: number): Promise<unknown> {
  const { "content-encoding": encoding = "identity", expect } = exchange.request.headers;
  if (encoding.toLowerCase() !== "identity") {
    throw new HttpError(415, `the body must not be encoded, is as ${encoding.slice(0, 50)}`);
  }
  if (Number(exchange.request.headers["content-length"] ?? 0) > maxBytes) {
    // A client that waits for leave to send its body may send another request instead.
    throw tooLong(maxBytes, expect === undefined ? {} : { connection: "close" });
  }
  if (expect !== undefined) exchange.sendContinue();
  const bytes = await readBytes(exchange, maxBytes);
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch {
    throw new HttpError(400, "the body is not JSON");
  }
}

const tooLong = (maxBytes: number, headers: Readonly<Record<string, string>> = {}): HttpError =>
  new HttpError(413, `the body may have ${maxBytes} bytes`, { code: "body_too_large", headers });

function readBytes(exchange: Exchange, maxBytes: number): Promise<Buffer> {
  const { request, signal } = exchange;
  return new Promise((resolve, reject) => {
    let pieces: Buffer[] = [];
    let bytes = 0;
    const refuse = (error: Error): void => {
      pieces = [];
      request.off("data", take);
      request.resume();
      reject(error);
    };
    const take = (piece: Buffer): void => {
      bytes += piece.length;
      try {
        if (bytes > maxBytes) throw tooLong(maxBytes);
        exchange.hold(piece.length);
        pieces.push(piece);
      } catch (error) {
        refuse(error as Error);
      }
    };
    request.on("data", take);
    request.once("end", () => resolve(Buffer.concat(pieces)));
    request.once("error", () => refuse(new HttpError(400, "the body is cut short")));
    signal.addEventListener("abort", () => refuse(signal.reason as Error));
  });
}
