// The end of a server: it takes no more work, and ends once what it has taken is done.

import type { Exchange } from "./exchange.js";
import { HttpError } from "./http_error.js";

export interface Drain {
  readonly isDraining: boolean;
  /** Resolves once all exchanges of `running` are over, or cut after `seconds`. Returns how many were cut. */
  start(running: Iterable<Exchange>, seconds: number): Promise<number>;
}

export const stopping = (): HttpError =>
  new HttpError(503, "the server is stopping", {
    code: "server_stopping",
    headers: { connection: "close", "retry-after": "5" },
  });

/** Time in which what is cut is told so. */
const LAST_WORDS_MS = 200;

export function createDrain(): Drain {
  let isDraining = false;
  const until = (over: Promise<unknown>, milliseconds: number): Promise<unknown> => {
    let timer: NodeJS.Timeout | undefined;
    const timeout = new Promise((resolve) => (timer = setTimeout(resolve, milliseconds)));
    return Promise.race([over, timeout]).finally(() => clearTimeout(timer));
  };
  return {
    get isDraining() {
      return isDraining;
    },
    async start(running, seconds) {
      isDraining = true;
      const left = new Set(running);
      const over = Promise.all(
        Array.from(left, (exchange) => exchange.over.then(() => left.delete(exchange))),
      );
      await until(over, 1000 * seconds);
      const cut = left.size;
      for (const exchange of left) exchange.fail(stopping());
      await until(over, LAST_WORDS_MS);
      for (const exchange of left) exchange.leave();
      return cut;
    },
  };
}
