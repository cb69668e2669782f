// Requests as tests send them: by fetch, and byte by byte.

import { connect, type Socket } from "node:net";

export const json = { "content-type": "application/json" };

/** Sends a body of JSON. */
export const post = (url: string, body: unknown, init: RequestInit = {}): Promise<Response> =>
  fetch(url, {
    method: "POST",
    body: JSON.stringify(body),
    ...init,
    headers: { ...json, ...(init.headers as Readonly<Record<string, string>> | undefined) },
  });

/** The values of server-sent events, the last of which must be [DONE]. */
export async function eventsOf(response: Response): Promise<readonly unknown[]> {
  const events = (await response.text()).trim().split("\n\n");
  if (events.pop() !== "data: [DONE]") throw new Error("the stream has no end");
  return events.map((event) => JSON.parse(event.slice("data: ".length)) as unknown);
}

/** A request as bytes, with `body` as JSON. */
export function requestBytes(method: string, path: string, body?: unknown, headers = ""): string {
  const text = body === undefined ? "" : JSON.stringify(body);
  const about =
    body === undefined
      ? ""
      : `content-type: application/json\r\ncontent-length: ${Buffer.byteLength(text)}\r\n`;
  return `${method} ${path} HTTP/1.1\r\nhost: localhost\r\n${headers}${about}\r\n${text}`;
}

/** A connection that keeps what it receives. */
export interface RawConnection {
  readonly socket: Socket;
  readonly received: () => string;
  /** Resolves once something matches what was received; rejects where the connection is closed before. */
  readonly until: (pattern: RegExp) => Promise<RegExpExecArray>;
  readonly closed: Promise<void>;
}

/** Opens a connection and sends `bytes`. */
export function openRaw(port: number, bytes: string | Uint8Array): RawConnection {
  const socket = connect(port, "127.0.0.1");
  let received = "";
  socket.on("error", () => undefined); // "close" follows
  socket.on("data", (data) => (received += data.toString("latin1")));
  socket.write(bytes);
  const closed = new Promise<void>((resolve) => socket.once("close", () => resolve()));
  return {
    socket,
    received: () => received,
    closed,
    until: (pattern) =>
      new Promise((resolve, reject) => {
        const look = (): void => {
          const found = pattern.exec(received);
          if (found !== null) resolve(found);
        };
        socket.on("data", look);
        look();
        void closed.then(() => reject(new Error(`closed after ${JSON.stringify(received)}`)));
      }),
  };
}
