// Continuous batching: sequences that an engine continues together, and that join and leave between steps. A
// prompt is read in chunks between the steps of the others, which get one more token at each step.

import { streamKey, uniformAt, type Key } from "@tessera/random";
import type { Engine } from "./engine.js";
import { createRows } from "./rows.js";
import { sampleToken, type Sampling } from "./sample.js";

/** A sequence to continue. */
export interface SequenceRequest {
  /** At least one id. */
  readonly prompt: readonly number[];
  readonly sampling: Sampling;
  /** Takes the next token and the logits that it was sampled from. Returns whether the sequence continues. */
  take(id: number, logits: Float32Array): boolean;
}

/** Sequences that share an engine. */
export interface Batcher {
  /** Sequences that are being continued. */
  readonly size: number;
  /** How many more may join. */
  readonly free: number;
  /** The sequence's first token comes with some later step. */
  add(request: SequenceRequest): { leave(): void };
  /** Reads a chunk of a prompt, if there is one to read, and gives every sequence that is read a token. */
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
  /** Tokens sampled so far. */
  sampled: number;
  isLeaving: boolean;
}

function rowOf(request: SequenceRequest, maxPositions: number): Row {
  const ids = [...request.prompt];
  return {
    request,
    key: streamKey(request.sampling.seed, "generate"),
    ids,
    start: Math.max(0, ids.length - maxPositions),
    held: 0,
    sampled: 0,
    isLeaving: false,
  };
}

/** Samples the row's next token. Returns whether it continues. */
function continueRow(row: Row, logits: Float32Array): boolean {
  const { request, key, ids, start } = row;
  const id = sampleToken(logits, request.sampling, uniformAt(key, row.sampled), ids.slice(start));
  row.sampled += 1;
  ids.push(id);
  return request.take(id, logits) && !row.isLeaving;
}

/** How prompts are read. */
export interface BatcherOptions {
  /** Tokens of a prompt that are read at once, for which other sequences wait. Default: 128. */
  readonly chunk?: number;
}

/** A batcher over all rows of `engine`, which nobody else may use meanwhile. */
export function createBatcher(engine: Engine, { chunk = 128 }: BatcherOptions = {}): Batcher {
  const { maxPositions, vocabularySize } = engine;
  const rows = createRows<Row>(engine);

  const readPrompt = async (): Promise<void> => {
    const at = rows.readyCount;
    const row = rows.all[at]!;
    const first = row.start + row.held;
    const ids = Int32Array.from(row.ids.slice(first, first + chunk));
    const logits = await engine.run({ firstRow: at, lengths: [row.held], ids, keep: 1 });
    row.held += ids.length;
    if (row.start + row.held < row.ids.length) return;
    rows.admit();
    if (!continueRow(row, logits)) rows.remove(at);
  };

  /** A row that is full goes on from the second half of what it holds, which is read again. */
  const slide = (at: number): void => {
    const row = rows.all[at]!;
    row.start = row.ids.length - Math.ceil(maxPositions / 2);
    row.held = 0;
    rows.withdraw(at);
  };

  const continueAll = async (): Promise<void> => {
    const taking = rows.all.slice(0, rows.readyCount);
    const ids = Int32Array.from(taking, (row) => row.ids.at(-1)!);
    const lengths = taking.map((row) => row.held);
    const logits = await engine.run({ firstRow: 0, lengths, ids, keep: 1 });
    for (const row of taking) row.held += 1;
    // From the last to the first: a row that leaves is replaced by one that had its turn.
    for (let at = taking.length - 1; at >= 0; at -= 1) {
      const own = logits.subarray(at * vocabularySize, (at + 1) * vocabularySize);
      if (!continueRow(taking[at]!, own)) rows.remove(at);
    }
  };

  /** `act` on each of the first `count` rows for which `holds`, from the last on. */
  const where = (count: number, holds: (row: Row) => boolean, act: (at: number) => void): void => {
    for (let at = count - 1; at >= 0; at -= 1) if (holds(rows.all[at]!)) act(at);
  };

  return {
    get size() {
      return rows.all.length;
    },
    get free() {
      return engine.rows - rows.all.length;
    },
    add(request) {
      if (rows.all.length === engine.rows) throw new Error("no row of the engine is free");
      const row = rowOf(request, maxPositions);
      rows.add(row);
      return { leave: () => void (row.isLeaving = true) };
    },
    async step() {
      where(
        rows.all.length,
        ({ isLeaving }) => isLeaving,
        (at) => rows.remove(at),
      );
      if (rows.all.length > rows.readyCount) await readPrompt();
      where(rows.readyCount, ({ held }) => held === maxPositions, slide);
      if (rows.readyCount > 0) await continueAll();
    },
  };
}
