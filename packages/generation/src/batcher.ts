// Continuous batching: sequences that an engine continues together, and that join and leave between steps. A
// prompt is read in chunks between the steps of the others, which get one more token at each step.

import { streamKey, uniformAt, type Key } from "@tessera/random";
import type { Engine } from "./engine.js";
import { createRows, type Rows } from "./rows.js";
import { sampleToken, type Sampling } from "./sample.js";

/** A sequence to continue. */
export interface SequenceRequest {
  /** At least one id. */
  readonly prompt: readonly number[];
  readonly sampling: Sampling;
  /**
   * Takes the logits [vocabulary] behind token number `at` of the prompt. Omit where they are not needed, which saves
   * their computation.
   */
  takePrompt?(at: number, logits: Float32Array): void;
  /** Takes the next token and the logits that it was sampled from. Returns whether the sequence continues. */
  take(id: number, logits: Float32Array): boolean;
  /** Its logits could not be sampled from; nothing more comes. Other sequences go on. */
  failed(error: unknown): void;
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

/** What `act` returns; false where it fails, which is the failure of this sequence alone. */
function attempt({ request }: Row, act: () => boolean): boolean {
  try {
    return act();
  } catch (error) {
    request.failed(error);
    return false;
  }
}

/** Samples the row's next token. Returns whether it continues. */
function continueRow(row: Row, logits: Float32Array): boolean {
  const { request, key, ids, start } = row;
  const history = {
    get seen() {
      return ids.slice(start);
    },
    get sampled() {
      return ids.slice(request.prompt.length);
    },
  };
  const id = sampleToken(logits, request.sampling, uniformAt(key, row.sampled), history);
  row.sampled += 1;
  ids.push(id);
  return request.take(id, logits) && !row.isLeaving;
}

/** Gives `logits` [tokens, size], behind tokens of the prompt from `first` on, to who asked for them. */
function scorePrompt(
  request: SequenceRequest,
  first: number,
  size: number,
  logits: Float32Array,
): void {
  for (let at = 0; at * size < logits.length; at += 1) {
    request.takePrompt?.(first + at, logits.subarray(at * size, (at + 1) * size));
  }
}

/** Reads a chunk of the first prompt that is not read yet, and behind its last one samples the first token. */
async function readPrompt(engine: Engine, rows: Rows<Row>, chunk: number): Promise<void> {
  const at = rows.readyCount;
  const row = rows.all[at]!;
  const { request, start } = row;
  const first = start + row.held;
  const ids = Int32Array.from(row.ids.slice(first, first + chunk));
  const isScored = request.takePrompt !== undefined && row.sampled === 0;
  const keep = isScored ? ids.length : 1;
  const logits = await engine.run({ firstRow: at, lengths: [row.held], ids, keep });
  row.held += ids.length;
  const isRead = start + row.held === row.ids.length;
  const goesOn = attempt(row, () => {
    if (isScored) scorePrompt(request, first, logits.length / keep, logits);
    return !isRead || continueRow(row, logits.subarray(-engine.vocabularySize));
  });
  if (isRead) rows.admit();
  if (!goesOn) rows.remove(at);
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
      const row = taking[at]!;
      if (!attempt(row, () => continueRow(row, own))) rows.remove(at);
    }
  };

  /** `act` on each of the first `count` rows for which `holds`, from the last on. */
  const where = (count: number, holds: (row: Row) => boolean, act: (at: number) => void): void => {
    for (let at = count - 1; at >= 0; at -= 1) if (holds(rows.all[at]!)) act(at);
  };
  const dropLeaving = (): void =>
    where(
      rows.all.length,
      ({ isLeaving }) => isLeaving,
      (at) => rows.remove(at),
    );

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
      dropLeaving();
      if (rows.all.length > rows.readyCount) await readPrompt(engine, rows, chunk);
      where(rows.readyCount, ({ held }) => held === maxPositions, slide);
      if (rows.readyCount > 0) await continueAll();
    },
  };
}
