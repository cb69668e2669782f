// The rows of an engine that are in use: first those that are ready for their next token, then those whose
// prompts are still being read, so that all that are ready are continued by one call.

import type { Engine } from "./engine.js";

/** Who has which row of an engine. */
export interface Rows<R> {
  /** In the order of the engine's rows. */
  readonly all: readonly R[];
  /** How many of them are ready. */
  readonly readyCount: number;
  /** Takes the next free row of the engine. */
  add(row: R): void;
  /** The first row that is not ready becomes so. */
  admit(): void;
  /** A row that is ready is so no longer. */
  withdraw(at: number): void;
  remove(at: number): void;
}

/** No rows in use. */
export function createRows<R>(engine: Engine): Rows<R> {
  const all: R[] = [];
  let readyCount = 0;

  /** Puts the row at `from` to the place `to`, of which nothing is needed any more. */
  const move = (from: number, to: number): void => {
    if (from === to) return;
    all[to] = all[from]!;
    engine.copyRow(from, to);
  };

  /** Closes a gap among those that are ready by the last of them, and gives the gap that this leaves. */
  const closeReady = (at: number): number => {
    readyCount -= 1;
    move(readyCount, at);
    return readyCount;
  };

  return {
    all,
    get readyCount() {
      return readyCount;
    },
    add: (row) => void all.push(row),
    admit: () => void (readyCount += 1),
    withdraw(at) {
      const row = all[at]!;
      all[closeReady(at)] = row; // what the engine held for it is read again
    },
    remove(at) {
      move(all.length - 1, at < readyCount ? closeReady(at) : at);
      all.pop();
    },
  };
}
