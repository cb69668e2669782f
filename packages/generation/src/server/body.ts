// Reading a request's body: JSON, never more of it than may be.

import type { IncomingMessage } from "node:http";
import { HttpError } from "./http_error.js";

/**
 * The JSON in the body of `request`.
 * @throws HttpError where there is none, or it is too long.
 */
export async function readBody(request: IncomingMessage, maxBytes: number): Promise<unknown> {
  const bytes = await readBytes(request, maxBytes);
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch {
    throw new HttpError(400, "the body is not JSON");
  }
}

function readBytes(request: IncomingMessage, maxBytes: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const pieces: Buffer[] = [];
    let bytes = 0;
    /** The connection is closed, so that what is left of the body is never read. */
    const refuse = (): void => {
      request.pause();
      const headers = { connection: "close" };
      reject(new HttpError(413, `the body may have ${maxBytes} bytes`, headers));
    };
    if (Number(request.headers["content-length"] ?? 0) > maxBytes) {
      refuse();
      return;
    }
    request.on("data", (piece: Buffer) => {
      bytes += piece.length;
      pieces.push(piece);
      if (bytes > maxBytes) refuse();
    });
    request.once("end", () => resolve(Buffer.concat(pieces)));
    request.once("error", () => reject(new HttpError(400, "the body is cut short")));
  });
}
