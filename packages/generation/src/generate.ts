// Generation of text: prompts become sequences of a batcher, and their tokens text.

import { UserError } from "@tessera/config";
import type { Tokenizer } from "@tessera/tokenizer";
import { createBatcher, type SequenceRequest } from "./batcher.js";
import type { Engine } from "./engine.js";
import type { Sampling } from "./sample.js";
import { createTextStream } from "./stop.js";

/** A text to write. */
export interface TextRequest {
  /** Empty for text from the start of a document. */
  readonly prompt: string;
  readonly maxTokens: number;
  readonly sampling: Sampling;
  /** The text ends before the first of these. Default: none. */
  readonly stop?: readonly string[];
  /** Whether the text continues after the token that ends a document. Default: false. */
  readonly ignoreEnd?: boolean;
}

/** Why a text ended: `stop` at the end of a document or a stop text, `length` at `maxTokens`. */
export type Finish = "stop" | "length";

/** Receives a text while it is written. */
export interface TextEvents {
  /** More of the text, in whole characters; `id` is the token that completed it. */
  text(more: string, id: number, logits: Float32Array): void;
  /** `tokens` were written, the last of which may have ended the text. */
  end(finish: Finish, tokens: number): void;
}

/**
 * The ids of a prompt; of an empty one, the id that ends a document.
 * @throws UserError where it is empty and the tokenizer has no such id.
 */
export function encodePrompt(tokenizer: Tokenizer, prompt: string): readonly number[] {
  const ids = [...tokenizer.encode(prompt)];
  if (ids.length > 0) return ids;
  if (tokenizer.endOfText !== null) return [tokenizer.endOfText];
  throw new UserError("the prompt is empty: give the text that is to be continued");
}

/** A request as a batcher takes it; its text goes to `events`. */
export function createSequence(
  tokenizer: Tokenizer,
  request: TextRequest,
  events: TextEvents,
): SequenceRequest {
  const { maxTokens, sampling, stop, ignoreEnd = false } = request;
  const stream = createTextStream(tokenizer, stop);
  let count = 0;
  return {
    prompt: encodePrompt(tokenizer, request.prompt),
    sampling,
    take(id, logits) {
      count += 1;
      const isEnd = id === tokenizer.endOfText && !ignoreEnd;
      const isLast = isEnd || count === maxTokens;
      let more = isEnd ? "" : stream.push(id);
      if (isLast) more += stream.end();
      if (more !== "" || !isEnd) events.text(more, id, logits);
      const isStopped = isEnd || stream.isStopped;
      if (isStopped || isLast) events.end(isStopped ? "stop" : "length", count);
      return !isStopped && !isLast;
    },
  };
}

/** Yields the text that continues the prompt, piece by piece. Depends on the request alone. */
export async function* generate(
  engine: Engine,
  tokenizer: Tokenizer,
  request: TextRequest,
): AsyncGenerator<string, Finish> {
  const pieces: string[] = [];
  const finishes: Finish[] = [];
  const one = createBatcher(engine);
  one.add(
    createSequence(tokenizer, request, {
      text: (more) => void pieces.push(more),
      end: (finish) => void finishes.push(finish),
    }),
  );
  while (one.size > 0) {
    await one.step();
    for (const piece of pieces.splice(0)) if (piece !== "") yield piece;
  }
  return finishes[0]!;
}

/** A whole text, without its prompt. */
export interface Completion {
  readonly text: string;
  readonly finish: Finish;
}

/**
 * Continues all prompts, as many at once as the engine has rows, and gives each text to `done` as soon
 * as it is complete. A text does not depend on the others, apart from the last bits of its logits. Ends early
 * when `signal` is aborted.
 */
export async function generateAll(
  engine: Engine,
  tokenizer: Tokenizer,
  requests: readonly TextRequest[],
  done: (completion: Completion, index: number) => void,
  signal?: AbortSignal,
): Promise<void> {
  const together = createBatcher(engine);
  const sequences = requests.map((request, index) => {
    let text = "";
    return createSequence(tokenizer, request, {
      text: (more) => void (text += more),
      end: (finish) => done({ text, finish }, index),
    });
  });
  for (let next = 0; next < sequences.length || together.size > 0;) {
    while (together.free > 0 && next < sequences.length) together.add(sequences[next++]!);
    if (signal?.aborted) return;
    await together.step();
  }
}
