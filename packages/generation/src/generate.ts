// Text from text: prompts become sequences, and tokens what may be shown.

import { UserError } from "@tessera/config";
import type { Tokenizer } from "@tessera/tokenizer";
import { batcher, type SequenceRequest } from "./batcher.js";
import type { Engine } from "./engine.js";
import type { Sampling } from "./sample.js";
import { shownText } from "./stop.js";

export interface TextRequest {
  /** Where it is empty, the text starts as a document does. */
  readonly prompt: string;
  readonly maxTokens: number;
  readonly sampling: Sampling;
  /** The text ends before the first of these. */
  readonly stop?: readonly string[];
  /** Whether the text goes on after the token that ends a document. */
  readonly ignoreEnd?: boolean;
}

/** Why a text ended: it came to its end or to a stop text, or to the most tokens that it may have. */
export type Finish = "stop" | "length";

export interface TextEvents {
  /** More of the text; never a part of a character. `id` is the token that brought it. */
  text(more: string, id: number, logits: Float32Array): void;
  /** `tokens` were written, the last of which may have ended the text. */
  end(finish: Finish, tokens: number): void;
}

/** The ids of a prompt. Throws a UserError where it is empty and nothing stands for that. */
export function promptIds(tokenizer: Tokenizer, prompt: string): readonly number[] {
  const ids = [...tokenizer.encode(prompt)];
  if (ids.length > 0) return ids;
  if (tokenizer.endOfText !== null) return [tokenizer.endOfText];
  throw new UserError("the prompt is empty: give the text that is to be continued");
}

/** What a batcher continues, with what it makes of it going to `events`. */
export function textSequence(
  tokenizer: Tokenizer,
  request: TextRequest,
  events: TextEvents,
): SequenceRequest {
  const { maxTokens, sampling, stop, ignoreEnd = false } = request;
  const shown = shownText(tokenizer, stop);
  let count = 0;
  return {
    prompt: promptIds(tokenizer, request.prompt),
    sampling,
    take(id, logits) {
      count += 1;
      const isEnd = id === tokenizer.endOfText && !ignoreEnd;
      const isLast = isEnd || count === maxTokens;
      let more = isEnd ? "" : shown.push(id);
      if (isLast) more += shown.end();
      if (more !== "" || !isEnd) events.text(more, id, logits);
      const isStopped = isEnd || shown.stopped;
      if (isStopped || isLast) events.end(isStopped ? "stop" : "length", count);
      return !isStopped && !isLast;
    },
  };
}

/** Yields the text that continues the prompt, piece by piece. A function of the request alone. */
export async function* generate(
  engine: Engine,
  tokenizer: Tokenizer,
  request: TextRequest,
): AsyncGenerator<string, Finish> {
  const pieces: string[] = [];
  const finishes: Finish[] = [];
  const one = batcher(engine);
  one.add(
    textSequence(tokenizer, request, {
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

export interface Written {
  readonly text: string;
  readonly finish: Finish;
}

/**
 * Continues all prompts, as many at once as the engine has rows, and gives each text to `done` as soon
 * as it is whole. A text does not depend on the others, but for the last bits of its logits. Ends early
 * where `signal` is aborted.
 */
export async function generateAll(
  engine: Engine,
  tokenizer: Tokenizer,
  requests: readonly TextRequest[],
  done: (written: Written, index: number) => void,
  signal?: AbortSignal,
): Promise<void> {
  const together = batcher(engine);
  const sequences = requests.map((request, index) => {
    let text = "";
    return textSequence(tokenizer, request, {
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
