// One request and its answer. An exchange is the only owner of its response: whatever fails, and whoever leaves, the
// answer is written once, in order, and never after its end.

import { randomUUID } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { errorBody, HttpError, knownError } from "./http_error.js";
import type { MemoryAccount } from "./memory.js";

/** What an exchange needs of its server. */
export interface ExchangeOptions {
  readonly memory: MemoryAccount;
  /** Bytes of a stream that its client may leave unread. */
  readonly maxUnsentBytes: number;
  /** Milliseconds for which a client may read nothing of what waits for it. */
  readonly stallTimeout: number;
  /** Told of failures that are not a client's. */
  readonly report: (error: unknown) => void;
}

/** What an access log tells of an exchange. */
export interface ExchangeRecord {
  readonly id: string;
  /** Its address. */
  readonly client: string;
  readonly method: string;
  readonly path: string;
  readonly status: number;
  readonly bytes: number;
  readonly seconds: number;
  /** Whether the client left before its answer was whole. */
  readonly isCut: boolean;
}

/** Ids that are safe in headers and logs. */
const REQUEST_ID = /^[\x21-\x7e]{1,128}$/;

/** The status that logs have for a client that left before it was answered, as nginx's. */
const LEFT = 499;

/** What every client may leave unread, however much others hold. */
const SMALL_BYTES = 2 ** 16;

export class Exchange {
  /** The client's `x-request-id`, or one of ours. */
  readonly id: string;
  readonly method: string;
  /** Without host and query. */
  readonly path: string;
  /** Aborted as soon as nobody waits for the answer: the client left, or has it. */
  readonly signal: AbortSignal;
  /** Resolves when the answer was sent, or the client left. */
  readonly over: Promise<void>;
  private readonly client: string;
  readonly #start = performance.now();
  readonly #controller = new AbortController();
  #bytes = 0;
  #stalled: NodeJS.Timeout | undefined;

  constructor(
    readonly request: IncomingMessage,
    private readonly response: ServerResponse,
    private readonly options: ExchangeOptions,
  ) {
    const given = request.headers["x-request-id"];
    this.id = typeof given === "string" && REQUEST_ID.test(given) ? given : randomUUID();
    this.client = request.socket.remoteAddress ?? "";
    this.method = request.method ?? "";
    this.path = pathOf(request.url ?? "/");
    this.signal = this.#controller.signal;
    this.over = new Promise((resolve) => {
      this.signal.addEventListener("abort", () => {
        clearTimeout(this.#stalled);
        options.memory.close();
        resolve();
      });
    });
    response.setHeader("x-request-id", this.id);
    response.on("drain", () => this.#watchReader());
    response.on("close", () => this.leave());
    // Of a client that left while it was written to; "close" follows.
    response.on("error", () => undefined);
    request.on("error", () => undefined);
  }

  /** The client left. */
  leave(): void {
    this.#controller.abort(new HttpError(LEFT, "the client left"));
  }

  /** Whether a part of the answer was sent. */
  get hasBegun(): boolean {
    return this.response.headersSent;
  }

  /** A header that the answer will have, whatever it is. */
  setHeader(name: string, value: string): void {
    if (!this.response.headersSent) this.response.setHeader(name, value);
  }

  /** Has the client send the body that it asked leave for by `Expect: 100-continue`. */
  sendContinue(): void {
    this.response.writeContinue();
  }

  /** Memory for this request. @throws HttpError where clients hold too much already. */
  hold(bytes: number): void {
    if (this.signal.aborted || this.options.memory.hold(bytes)) return;
    throw new HttpError(503, "requests take all memory that they may; try again later", {
      code: "overloaded",
      headers: { "retry-after": "1" },
    });
  }

  send(status: number, headers: Readonly<Record<string, string>>, body: string): void {
    if (this.#isOver || this.response.headersSent) return;
    const bytes = Buffer.byteLength(body);
    this.#bytes += bytes;
    const length = status === 204 ? {} : { "content-length": String(bytes) };
    this.response.writeHead(status, { ...headers, ...length });
    this.response.end(body);
    this.#watchReader();
  }

  sendJson(status: number, value: unknown, headers: Readonly<Record<string, string>> = {}): void {
    const type = { "content-type": "application/json" };
    this.send(status, { ...type, ...headers }, `${JSON.stringify(value)}\n`);
  }

  /** Sends a server-sent event, the first of which begins the answer. */
  sendEvent(data: unknown): void {
    this.#write(`data: ${JSON.stringify(data)}\n\n`);
  }

  endEvents(): void {
    this.#write("data: [DONE]\n\n");
    this.#end();
  }

  /** Answers with an error, if there still is somebody to answer to. */
  fail(error: unknown): void {
    const known = knownError(error);
    if (known === undefined) this.options.report(error);
    if (this.#isOver) return;
    const told = known ?? new HttpError(500, "the server failed");
    if (!this.response.headersSent) {
      this.sendJson(told.status, errorBody(told), told.details.headers);
      return;
    }
    this.#write(`data: ${JSON.stringify(errorBody(told))}\n\n`);
    this.#end();
  }

  get record(): ExchangeRecord {
    const { id, client, method, path } = this;
    const { statusCode, writableFinished, headersSent } = this.response;
    const status = headersSent ? statusCode : LEFT; // nobody was answered
    const seconds = (performance.now() - this.#start) / 1000;
    return {
      id,
      client,
      method,
      path,
      status,
      bytes: this.#bytes,
      seconds,
      isCut: !writableFinished,
    };
  }

  get #isOver(): boolean {
    return this.signal.aborted || this.response.writableEnded;
  }

  #write(text: string): void {
    if (this.#isOver) return;
    if (!this.response.headersSent) {
      this.response.writeHead(200, {
        "content-type": "text/event-stream",
        "cache-control": "no-cache",
        "x-accel-buffering": "no", // nginx would hold pieces back
      });
    }
    this.#bytes += Buffer.byteLength(text);
    this.response.write(text);
    this.#watchReader();
  }

  #end(): void {
    if (this.#isOver) return;
    this.response.end();
    this.#watchReader();
  }

  /** Drops a client that reads too little of what waits for it. */
  #watchReader(): void {
    if (this.signal.aborted) return;
    const { memory, maxUnsentBytes, stallTimeout } = this.options;
    const { writableLength: unsent, writableEnded, writableNeedDrain } = this.response;
    const isWithin = memory.holdUnsent(unsent);
    const isTooMuch = unsent > maxUnsentBytes && !writableEnded;
    if (isTooMuch || (!isWithin && unsent > SMALL_BYTES)) {
      this.#drop();
      return;
    }
    if (writableNeedDrain || writableEnded) {
      this.#stalled ??= setTimeout(() => this.#drop(), stallTimeout).unref();
    } else {
      clearTimeout(this.#stalled);
      this.#stalled = undefined;
    }
  }

  #drop(): void {
    this.request.socket.destroy();
    this.leave();
  }
}

/** The path of a request's target, which proxies may send with its host. */
function pathOf(target: string): string {
  const [, path = target] = /^https?:\/\/[^/?]*([^]*)$/i.exec(target) ?? [];
  const [whole] = path.split("?", 1);
  return whole === "" ? "/" : whole!;
}
