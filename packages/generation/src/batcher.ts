// Sequences that an engine continues together. Each joins and leaves when it likes: a prompt is read in
// chunks between the steps of the others, which all get one more token at each step.

import { streamKey, uniformAt, type Key } from "@tessera/random";
import type { Engine } from "./engine.js";
import { choose, type Sampling } from "./sample.js";

export interface SequenceRequest {
  /** At least one id. */
  readonly prompt: readonly number[];
  readonly sampling: Sampling;
  /** Takes the next token, and says whether the sequence goes on. */
  take(id: number, logits: Float32Array): boolean;
}

export interface Batcher {
  /** Sequences that are being continued. */
  readonly size: number;
  /** How many more may join. */
  readonly free: number;
  /** The sequence's first token comes with some later step. */
  add(request: SequenceRequest): { leave(): void };
  /** Reads a part of a prompt, if one is to be read, and gives every sequence that is read a token. */
  step(): Promise<void>;
}

interface Row {
  readonly request: SequenceRequest;
  readonly key: Key;
  /** The prompt and what came after it. */
  readonly ids: number[];
  /** The first id that the model still sees. */
  start: number;
  /** Ids from `start` on that the engine's row holds. */
  held: number;
  drawn: number;
  left: boolean;
}

/** Ids that the engine has yet to see before the next can be chosen. */
const waiting = ({ ids, start, held }: Row): number => ids.length - start - held;

export interface BatcherOptions {
  /** Tokens of a prompt that are read at once: the longest that others wait. */
  readonly chunk?: number;
}

export function batcher(engine: Engine, { chunk = 128 }: BatcherOptions = {}): Batcher {
  const rows: Row[] = []; // first those that are `ready`, then those whose prompts are being read
  let ready = 0;

  /** Puts the row at `from` to the place `to`, which is free. */
  const move = (from: number, to: number): void => {
    if (from === to) return;
    rows[to] = rows[from]!;
    engine.copyRow(from, to);
  };

  const remove = (at: number): void => {
    const lastReady = ready - 1;
    if (at < ready) {
      move(lastReady, at);
      ready -= 1;
    }
    const hole = at <= lastReady ? lastReady : at;
    move(rows.length - 1, hole);
    rows.pop();
  };

  /** A row that is full goes on from the second half of what it holds, which is read again. */
  const slide = (at: number): void => {
    const row = rows[at]!;
    row.start = row.ids.length - Math.ceil(engine.maxPositions / 2);
    row.held = 0;
    move(ready - 1, at);
    rows[ready - 1] = row;
    ready -= 1;
  };

  const draw = (row: Row, logits: Float32Array): boolean => {
    const { request, key, ids, start } = row;
    const uniform = uniformAt(key, row.drawn);
    const id = choose(logits, request.sampling, uniform, ids.slice(start));
    row.drawn += 1;
    ids.push(id);
    return request.take(id, logits) && !row.left;
  };

  const readPrompt = async (): Promise<void> => {
    const row = rows[ready]!;
    const first = row.start + row.held;
    const ids = row.ids.slice(first, first + chunk);
    const call = { firstRow: ready, lengths: [row.held], ids: Int32Array.from(ids), keep: 1 };
    const logits = await engine.run(call);
    row.held += ids.length;
    if (waiting(row) > 0) return;
    ready += 1;
    if (!draw(row, logits)) remove(ready - 1);
  };

  const continueAll = async (): Promise<void> => {
    const taking = rows.slice(0, ready);
    const ids = Int32Array.from(taking, (row) => row.ids.at(-1)!);
    const lengths = taking.map((row) => row.held);
    const logits = await engine.run({ firstRow: 0, lengths, ids, keep: 1 });
    const size = engine.vocabularySize;
    for (const row of taking) row.held += 1;
    // From the last to the first: a row that leaves is replaced by one that had its turn.
    for (let at = taking.length - 1; at >= 0; at -= 1) {
      if (!draw(taking[at]!, logits.subarray(at * size, (at + 1) * size))) remove(at);
    }
  };

  return {
    get size() {
      return rows.length;
    },
    get free() {
      return engine.rows - rows.length;
    },
    add(request) {
      if (rows.length === engine.rows) throw new Error("no row of the engine is free");
      const ids = [...request.prompt];
      const start = Math.max(0, ids.length - engine.maxPositions);
      const key = streamKey(request.sampling.seed, "generate");
      const row: Row = { request, key, ids, start, held: 0, drawn: 0, left: false };
      rows.push(row);
      return { leave: () => void (row.left = true) };
    },
    async step() {
      for (let at = rows.length - 1; at >= 0; at -= 1) if (rows[at]!.left) remove(at);
      if (rows.length > ready) await readPrompt();
      for (let at = ready - 1; at >= 0; at -= 1) {
        if (rows[at]!.held === engine.maxPositions) slide(at);
      }
      if (ready > 0) await continueAll();
    },
  };
}
