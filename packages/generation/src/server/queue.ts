// Texts that wait for a row of the engine, and the loop that has all rows continue.

import { createBatcher, type SequenceRequest } from "../batcher.js";
import type { Engine } from "../engine.js";
import { createSequence, type TextEvents, type TextRequest } from "../generate.js";
import type { ModelTokenizer } from "../model_tokenizer.js";
import { HttpError } from "./http_error.js";

export interface TextQueue {
  /** Texts that are being written, and that wait. */
  readonly running: number;
  readonly waiting: number;
  /** @throws HttpError where `count` texts are more than may ever wait, or too many wait already for them to come. */
  checkRoom(count: number): void;
  /** Writes a text once there is a row for it. `leave` drops it: the next one takes its row. */
  add(request: TextRequest, events: TextEvents): { leave(): void };
  /** Resolves once the engine is at rest. */
  rest(): Promise<void>;
}

interface Entry {
  readonly sequence: SequenceRequest;
  /** Where the text is being written. */
  leave: (() => void) | null;
}

/** Gives the rows of `engine` to entries in the order in which they come. */
function createTurns(engine: Engine) {
  let together = createBatcher(engine);
  const waiting = new Set<Entry>();
  const running = new Set<Entry>();
  let turning: Promise<void> | null = null;

  /** Gives waiting texts the rows that are free. How many texts are being written then. */
  const admit = (): number => {
    for (const entry of waiting) {
      if (together.free === 0) break;
      waiting.delete(entry);
      const sequence = together.add(entry.sequence);
      entry.leave = () => sequence.leave();
      running.add(entry);
    }
    return together.size;
  };

  const turn = async (): Promise<void> => {
    await Promise.resolve(); // so that `turning` is set before it is reset
    while (admit() > 0) {
      try {
        await together.step();
      } catch (error) {
        // What the engine holds is lost; texts that wait may fare better.
        const lost = [...running];
        running.clear();
        together = createBatcher(engine);
        for (const { sequence } of lost) sequence.failed(error);
      }
      await new Promise(setImmediate); // sockets are read and written between steps
    }
    turning = null;
  };

  return {
    running,
    waiting,
    start(entry: Entry) {
      waiting.add(entry);
      turning ??= turn();
    },
    leave(entry: Entry) {
      waiting.delete(entry);
      if (running.delete(entry)) entry.leave?.();
    },
    async rest() {
      while (turning !== null) await turning;
    },
  };
}

/** Texts are written in the order in which they come, as many at once as `engine` has rows. */
export function createTextQueue(
  engine: Engine,
  tokenizer: ModelTokenizer,
  maxWaiting: number,
): TextQueue {
  const turns = createTurns(engine);
  const { running, waiting } = turns;
  return {
    get running() {
      return running.size;
    },
    get waiting() {
      return waiting.size;
    },
    checkRoom(count) {
      const places = maxWaiting + engine.rows;
      if (count > places) {
        throw new HttpError(400, `${count} texts are asked for, there are ${places} places`);
      }
      if (count <= places - running.size - waiting.size) return;
      throw new HttpError(429, `${waiting.size} texts wait already; try again later`, {
        code: "rate_limit_exceeded",
        headers: { "retry-after": "1" },
      });
    },
    add(request, events) {
      const sequence = createSequence(tokenizer, request, {
        ...events,
        end(finish, tokens) {
          running.delete(entry);
          events.end(finish, tokens);
        },
        failed(error) {
          running.delete(entry);
          events.failed(error);
        },
      });
      const entry: Entry = { sequence, leave: null };
      turns.start(entry);
      return { leave: () => turns.leave(entry) };
    },
    rest: () => turns.rest(),
  };
}
