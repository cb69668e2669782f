// Generation of text: prompts become sequences of a batcher, and their tokens text.

import { createBatcher, type SequenceRequest } from "./batcher.js";
import type { Engine } from "./engine.js";
import { rankToken, type RankedToken } from "./logprobs.js";
import {
  encodePrompt,
  endsText,
  type ModelTokenizer,
  type PromptEncoding,
} from "./model_tokenizer.js";
import type { Sampling } from "./sample.js";
import { createTextStream } from "./stop.js";

/** A text to write. */
export interface TextRequest {
  /** Text, or its ids. Empty text for text from its beginning. */
  readonly prompt: string | readonly number[];
  /** How text is encoded. Default: as the tokenizer says. */
  readonly encoding?: PromptEncoding;
  /** Tokens of the text at most, without the prompt. */
  readonly maxTokens: number;
  readonly sampling: Sampling;
  /** The text ends before the first of these. Default: none. */
  readonly stop?: readonly string[];
  /** Whether the text continues after a token that ends it. Default: false. */
  readonly ignoreEnd?: boolean;
  /** With log-probabilities: of the text's tokens, or of the prompt's too. Default: none. */
  readonly logprobs?: LogprobsRequest;
}

/** Which log-probabilities are computed. */
export interface LogprobsRequest {
  /** How many of the likeliest tokens come with each token. */
  readonly top: number;
  /** Whether the prompt's tokens have them too. */
  readonly ofPrompt: boolean;
}

/** A token of a text. The first of a prompt has no log-probability: nothing is before it. */
export interface TextToken {
  readonly id: number;
  readonly ranked: RankedToken | null;
  /** Where it begins in the text that follows the prompt, in code points; 0 in the prompt. */
  readonly offset: number;
}

/** Why a text ended: `stop` at a token that ends it or a stop text, `length` at `maxTokens`. */
export type Finish = "stop" | "length";

/** Receives a text while it is written. */
export interface TextEvents {
  /** With log-probabilities of the prompt: the next token of it. */
  prompt?(token: TextToken): void;
  /** More of the text, in whole characters, and with log-probabilities the tokens that begin in it. */
  text(more: string, tokens: readonly TextToken[]): void;
  /** `tokens` were sampled, the last of which may have ended the text. */
  end(finish: Finish, tokens: number): void;
  /** The model's logits are no numbers; nothing more comes. */
  failed(error: unknown): void;
}

/** A request as a batcher takes it; its text goes to `events`. */
export function createSequence(
  tokenizer: ModelTokenizer,
  request: TextRequest,
  events: TextEvents,
): SequenceRequest {
  const { maxTokens, sampling, stop, encoding, ignoreEnd = false, logprobs } = request;
  const stream = createTextStream(tokenizer, stop);
  const prompt =
    typeof request.prompt === "string"
      ? encodePrompt(tokenizer, request.prompt, encoding)
      : request.prompt;
  /** Tokens whose text is held back. */
  const held: TextToken[] = [];
  let count = 0;
  const rank = (id: number, logits: Float32Array, offset: number): TextToken => ({
    id,
    ranked: rankToken(logits, id, logprobs?.top ?? 0),
    offset,
  });
  return {
    prompt,
    sampling,
    ...(logprobs?.ofPrompt && {
      takePrompt(at: number, logits: Float32Array) {
        if (at === 0) events.prompt?.({ id: prompt[0]!, ranked: null, offset: 0 });
        if (at + 1 < prompt.length) events.prompt?.(rank(prompt[at + 1]!, logits, 0));
      },
    }),
    take(id, logits) {
      if (maxTokens === 0) {
        events.end("length", 0);
        return false;
      }
      count += 1;
      const isEnd = !ignoreEnd && endsText(tokenizer, id);
      const isLast = isEnd || count === maxTokens;
      if (logprobs !== undefined && !isEnd) held.push(rank(id, logits, stream.decoded));
      let more = isEnd ? "" : stream.push(id);
      if (isLast) more += stream.end();
      const begun = held.findIndex(({ offset }) => offset >= stream.given);
      const tokens = held.splice(0, begun < 0 ? held.length : begun);
      if (more !== "") events.text(more, tokens);
      const isStopped = isEnd || stream.isStopped;
      if (isStopped || isLast) events.end(isStopped ? "stop" : "length", count);
      return !isStopped && !isLast;
    },
    failed: (error) => events.failed(error),
  };
}

/** Yields the text that continues the prompt, piece by piece. Depends on the request alone. */
export async function* generate(
  engine: Engine,
  tokenizer: ModelTokenizer,
  request: TextRequest,
): AsyncGenerator<string, Finish> {
  const pieces: string[] = [];
  const finishes: Finish[] = [];
  const one = createBatcher(engine);
  const failures = createFailures();
  one.add(
    createSequence(tokenizer, request, {
      text: (more) => void pieces.push(more),
      end: (finish) => void finishes.push(finish),
      failed: failures.add,
    }),
  );
  while (one.size > 0) {
    await one.step();
    failures.rethrow();
    yield* pieces.splice(0);
  }
  return finishes[0]!;
}

/** Failures of sequences, to be thrown where a batcher was called. */
function createFailures() {
  const failures: unknown[] = [];
  return {
    add: (error: unknown) => void failures.push(error),
    rethrow() {
      if (failures.length > 0) throw failures[0];
    },
  };
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
  tokenizer: ModelTokenizer,
  requests: readonly TextRequest[],
  done: (completion: Completion, index: number) => void,
  signal?: AbortSignal,
): Promise<void> {
  const together = createBatcher(engine);
  const failures = createFailures();
  const sequences = requests.map((request, index) => {
    let text = "";
    return createSequence(tokenizer, request, {
      text: (more) => void (text += more),
      end: (finish) => done({ text, finish }, index),
      failed: failures.add,
    });
  });
  for (let next = 0; next < sequences.length || together.size > 0;) {
    while (together.free > 0 && next < sequences.length) together.add(sequences[next++]!);
    if (signal?.aborted) return;
    await together.step();
    failures.rethrow();
  }
}
