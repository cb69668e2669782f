// Perplexity, and the accuracy of last words (LAMBADA; Paperno et al., 2016). Both are computed from logits, so
// they are the same for every engine.

import { UserError } from "@tessera/config";
import type { Engine } from "./engine.js";
import { encodePair, type ModelTokenizer } from "./model_tokenizer.js";
import { logSoftmax } from "./logprobs.js";

/** A sequence of tokens. */
export interface TokenSource {
  readonly count: number;
  /** Fills `out` with the tokens from `first` on. */
  read(first: number, out: Int32Array): void;
}

/** `ids` as a source. */
export const tokensInMemory = (ids: Int32Array): TokenSource => ({
  count: ids.length,
  read: (first, out) => out.set(ids.subarray(first, first + out.length)),
});

/** How well a model predicts tokens. */
export interface Perplexity {
  /** Tokens that were predicted: all but the first of each window. */
  readonly tokens: number;
  /** Nats per token. */
  readonly loss: number;
  readonly perplexity: number;
}

/** How a long text is cut for a model with fewer positions. */
export interface PerplexityOptions {
  /** Tokens of a window, each of which but the first is predicted from those before it. */
  readonly window: number;
  /** Tokens from the start of one window to that of the next. A token in two windows counts once. */
  readonly stride: number;
  readonly progress?: (done: number, total: number) => void;
  readonly signal?: AbortSignal;
}

/** Positions whose logits are held at a time. */
const CHUNK = 64;

/** Negative log-likelihood of `id` under `logits` [vocabulary], in nats. */
export const tokenNll = (logits: Float32Array, id: number): number => 0 - logSoftmax(logits)(id);

/**
 * The perplexity of `source` in windows.
 * @throws UserError where it has fewer than two tokens, or one that the model does not have.
 */
export async function evaluatePerplexity(
  engine: Engine,
  source: TokenSource,
  { window, stride, progress, signal }: PerplexityOptions,
): Promise<Perplexity> {
  if (source.count < 2) throw new UserError(`${source.count} tokens are too few: two are needed`);
  let [nats, tokens] = [0, 0];
  /** Tokens up to here are counted. */
  let counted = 1;
  for (let first = 0; counted < source.count && !signal?.aborted; first += stride) {
    const ids = new Int32Array(Math.min(window, source.count - first));
    source.read(first, ids);
    checkIds(ids, engine.vocabularySize);
    await eachTokenNll(engine, ids, (at, nll) => {
      if (first + at < counted) return;
      nats += nll;
      tokens += 1;
    });
    counted = first + ids.length;
    progress?.(counted, source.count);
  }
  const loss = nats / tokens;
  return { tokens, loss, perplexity: Math.exp(loss) };
}

function checkIds(ids: Int32Array, vocabularySize: number): void {
  const wrong = ids.find((id) => id < 0 || id >= vocabularySize);
  if (wrong === undefined) return;
  throw new UserError(
    `a token is ${wrong}, the model has ${vocabularySize}: it is of another tokenizer`,
  );
}

/** Calls `take` with the negative log-likelihood of each token of `ids` but the first. */
async function eachTokenNll(
  engine: Engine,
  ids: Int32Array,
  take: (at: number, nats: number) => void,
): Promise<void> {
  const size = engine.vocabularySize;
  for (let at = 0; at < ids.length - 1; at += CHUNK) {
    const piece = ids.subarray(at, Math.min(at + CHUNK, ids.length - 1));
    const call = { firstRow: 0, lengths: [at], ids: piece, keep: piece.length };
    const logits = await engine.run(call);
    for (let i = 0; i < piece.length; i += 1) {
      take(at + i + 1, tokenNll(logits.subarray(i * size, (i + 1) * size), ids[at + i + 1]!));
    }
  }
}

/** How well a model predicts the last words of passages. */
export interface LambadaResult {
  readonly passages: number;
  /** Passages whose last word is what the model continues them with. */
  readonly correct: number;
  /** Share of the passages whose last word is right, from 0 to 1. */
  readonly accuracy: number;
  /** e to the mean negative log-likelihood of a last word, over all its tokens. */
  readonly perplexity: number;
}

/**
 * A passage without its last word, and that word with the space before it.
 * @throws UserError where the passage has fewer than two words.
 */
export function splitPassage(text: string): readonly [context: string, word: string] {
  const [, context, word] = /^([^]*\S)(\s+\S+)\s*$/.exec(text) ?? [];
  if (context !== undefined && word !== undefined) return [context, word.replace(/^\s+/, " ")];
  throw new UserError(`a passage has fewer than two words: ${JSON.stringify(text.slice(0, 60))}`);
}

/** How often greedy decoding continues a passage with its last word. */
export async function evaluateLambada(
  engine: Engine,
  tokenizer: ModelTokenizer,
  passages: readonly string[],
  { progress, signal }: Pick<PerplexityOptions, "progress" | "signal"> = {},
): Promise<LambadaResult> {
  let [correct, nats, done] = [0, 0, 0];
  for (const passage of passages) {
    if (signal?.aborted) break;
    const [context, word] = splitPassage(passage);
    const [before, target] = encodePair(tokenizer, context, word);
    const seen = before.slice(-(engine.maxPositions - target.length + 1));
    const { isRight, nll } = await evaluateLastWord(engine, seen, target);
    correct += isRight ? 1 : 0;
    nats += nll;
    done += 1;
    progress?.(done, passages.length);
  }
  return { passages: done, correct, accuracy: correct / done, perplexity: Math.exp(nats / done) };
}

async function evaluateLastWord(engine: Engine, context: Int32Array, target: Int32Array) {
  const ids = Int32Array.from([...context, ...target.subarray(0, -1)]);
  const size = engine.vocabularySize;
  const keep = target.length;
  const logits = await engine.run({ firstRow: 0, lengths: [0], ids, keep });
  let [isRight, nll] = [true, 0];
  target.forEach((id, i) => {
    const own = logits.subarray(i * size, (i + 1) * size);
    nll += tokenNll(own, id);
    isRight &&= own.every((logit, other) => logit < own[id]! || other === id);
  });
  return { isRight, nll };
}
