// Texts that wait for a row of the engine, and the loop that has all rows continue.

import type { Tokenizer } from "@tessera/tokenizer";
import { createBatcher, type SequenceRequest } from "../batcher.js";
import type { Engine } from "../engine.js";
import { createSequence, type TextEvents, type TextRequest } from "../generate.js";

/** A text that waits or is being written. */
export interface QueueTicket {
  /** Of the prompt, in tokens. */
  readonly promptTokens: number;
  /** Drops the text; the next one takes its row. */
  leave(): void;
}

export interface TextQueue {
  /** Texts that are being written, and that wait. */
  readonly running: number;
  readonly waiting: number;
  /** Writes a text once there is a row for it. @throws UserError where its prompt is empty. */
  add(request: TextRequest, events: QueueEvents): QueueTicket;
}

export interface QueueEvents extends TextEvents {
  /** The engine failed; nothing more comes. */
  failed(error: unknown): void;
}

interface Entry {
  readonly sequence: SequenceRequest;
  readonly failed: (error: unknown) => void;
  /** Where the text is being written. */
  leave: (() => void) | null;
}

/** Texts are written in the order in which they come, as many at once as `engine` has rows. */
export function createTextQueue(engine: Engine, tokenizer: Tokenizer): TextQueue {
  let together = createBatcher(engine);
  const waiting: Entry[] = [];
  const running = new Set<Entry>();
  let isTurning = false;

  /** Gives waiting texts the rows that are free. How many texts are being written then. */
  const admit = (): number => {
    while (together.free > 0 && waiting.length > 0) {
      const entry = waiting.shift()!;
      const sequence = together.add(entry.sequence);
      entry.leave = () => sequence.leave();
      running.add(entry);
    }
    return together.size;
  };

  const turn = async (): Promise<void> => {
    if (isTurning) return;
    isTurning = true;
    try {
      while (admit() > 0) {
        await together.step();
        await new Promise(setImmediate); // sockets are read and written between steps
      }
    } catch (error) {
      const lost = [...running, ...waiting.splice(0)];
      running.clear();
      together = createBatcher(engine);
      for (const one of lost) one.failed(error);
    } finally {
      isTurning = false;
    }
  };

  return {
    get running() {
      return running.size;
    },
    get waiting() {
      return waiting.length;
    },
    add(request, events) {
      const sequence = createSequence(tokenizer, request, {
        ...events,
        end(finish, tokens) {
          running.delete(entry);
          events.end(finish, tokens);
        },
      });
      const entry: Entry = { sequence, failed: (error) => events.failed(error), leave: null };
      waiting.push(entry);
      void turn();
      return {
        promptTokens: sequence.prompt.length,
        leave() {
          const at = waiting.indexOf(entry);
          if (at >= 0) waiting.splice(at, 1);
          if (running.delete(entry)) entry.leave?.();
        },
      };
    },
  };
}
