// The texts of one request, from the queue; and what every answer says of them.

import { randomUUID } from "node:crypto";
import type { Finish, TextRequest, TextToken } from "../generate.js";
import type { Exchange } from "./exchange.js";
import type { Served } from "./served.js";

/** More of the text number `index`: a piece of a stream, or all of it. */
export interface TextPiece {
  readonly index: number;
  /** Whether nothing of it came before. */
  readonly isFirst: boolean;
  readonly text: string;
  /** Of the piece, and before them of the prompt, as far as log-probabilities of them were asked for. */
  readonly tokens: readonly TextToken[];
  readonly promptTokens: readonly TextToken[];
  /** At the end. */
  readonly finish: Finish | null;
}

/** A whole text. */
export interface WrittenText extends TextPiece {
  readonly finish: Finish;
  /** Tokens that were sampled. */
  readonly count: number;
}

/** Bytes that a token takes while an answer is written, with each of the likeliest tokens in its place. */
const TOKEN_BYTES = 200;

const bytesOf = (text: string, tokens: readonly TextToken[]): number =>
  tokens.reduce(
    (sum, { ranked }) => sum + TOKEN_BYTES * (1 + (ranked?.top.length ?? 0)),
    2 * text.length,
  );

/**
 * Has all texts written. With `take`, each piece goes there instead of into the texts. Rejects where the client left,
 * or something failed; the others' texts are then dropped too.
 */
export async function writeTexts(
  { queue, metrics }: Served,
  exchange: Exchange,
  requests: readonly TextRequest[],
  take?: (piece: TextPiece) => void,
): Promise<readonly WrittenText[]> {
  const { signal } = exchange;
  signal.throwIfAborted();
  queue.checkRoom(requests.length);
  const left: (() => void)[] = [];
  const failure = new Promise<never>((_, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason as Error));
  });
  const writeOne = (request: TextRequest, index: number): Promise<WrittenText> =>
    new Promise((resolve, reject) => {
      let isFirst = true;
      const tokens: TextToken[] = [];
      let [text, promptTokens] = ["", [] as TextToken[]];
      const give = (more: string, added: readonly TextToken[], finish: Finish | null): void => {
        if (isFirst) metrics.observeFirstToken(exchange);
        if (take === undefined) {
          exchange.hold(bytesOf(more, added));
          text += more;
          tokens.push(...added);
        } else {
          take({ index, isFirst, text: more, tokens: added, promptTokens, finish });
          promptTokens = [];
        }
        isFirst = false;
      };
      const ticket = queue.add(request, {
        prompt(token) {
          exchange.hold(bytesOf("", [token]));
          promptTokens.push(token);
        },
        text: (more, added) => give(more, added, null),
        end(finish, count) {
          give("", [], finish);
          resolve({ index, isFirst: true, text, tokens, promptTokens, finish, count });
        },
        failed: reject,
      });
      left.push(() => ticket.leave());
    });
  try {
    return await Promise.race([Promise.all(requests.map(writeOne)), failure]);
  } finally {
    for (const leave of left) leave();
  }
}

/** What an answer is made of. */
export interface TextJob {
  readonly requests: readonly TextRequest[];
  /** Tokens of all prompts, each of which counts once, however many texts continue it. */
  readonly promptTokens: number;
  readonly isStreamed: boolean;
  /** Whether a stream ends with what it took. */
  readonly hasUsage: boolean;
  /** What a whole answer says beside its choices, and what each event does. */
  readonly head: object;
  readonly eventHead: object;
  readonly choices: (written: readonly WrittenText[]) => readonly object[];
  /** The choices of the events that a piece becomes. */
  readonly deltas: (piece: TextPiece) => readonly object[];
}

/** Answers with texts: whole, or piece by piece as server-sent events. */
export async function answerTexts(served: Served, exchange: Exchange, job: TextJob): Promise<void> {
  const { requests, promptTokens, isStreamed, hasUsage, head, eventHead } = job;
  const usage = hasUsage ? { usage: null } : {};
  const take = (piece: TextPiece): void => {
    for (const choice of job.deltas(piece)) {
      exchange.sendEvent({ ...eventHead, choices: [choice], ...usage });
    }
  };
  const written = await writeTexts(served, exchange, requests, isStreamed ? take : undefined);
  const took = usageOf(promptTokens, written);
  served.metrics.countTokens(took);
  if (!isStreamed) {
    exchange.sendJson(200, { ...head, choices: job.choices(written), usage: took });
    return;
  }
  if (hasUsage) exchange.sendEvent({ ...eventHead, choices: [], usage: took });
  exchange.endEvents();
}

/** What every answer says first. */
export const headOf = (prefix: string, object: string, model: string) => ({
  id: `${prefix}-${randomUUID()}`,
  object,
  created: Math.floor(Date.now() / 1000),
  model,
});

/** What a request took, in OpenAI's words. */
function usageOf(promptTokens: number, written: readonly WrittenText[]) {
  const completion_tokens = written.reduce((sum, { count }) => sum + count, 0);
  return {
    prompt_tokens: promptTokens,
    completion_tokens,
    total_tokens: promptTokens + completion_tokens,
  };
}
