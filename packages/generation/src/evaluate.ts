// How well a model knows texts: the surprise of every token, and the last words of passages (LAMBADA; Paperno
// et al., 2016). Everything is computed from logits, so that it is the same for every engine.

import { UserError } from "@tessera/config";
import type { Tokenizer } from "@tessera/tokenizer";
import type { Engine } from "./engine.js";

/** Where tokens come from, in order. */
export interface TokenSource {
  readonly count: number;
  /** Fills `out` with the tokens from `first` on. */
  read(first: number, out: Int32Array): void;
}

export const tokensInMemory = (ids: Int32Array): TokenSource => ({
  count: ids.length,
  read: (first, out) => out.set(ids.subarray(first, first + out.length)),
});

export interface Perplexity {
  /** Tokens that were predicted: all but the first of each window. */
  readonly tokens: number;
  /** Nats per token. */
  readonly loss: number;
  readonly perplexity: number;
}

export interface PerplexityOptions {
  /** Tokens of a window, each of which but the first is predicted from those before it. */
  readonly window: number;
  /** From the start of one window to that of the next; tokens that were counted before are not again. */
  readonly stride: number;
  readonly progress?: (done: number, total: number) => void;
  readonly signal?: AbortSignal;
}

/** Logits of so many positions are held at a time. */
const CHUNK = 64;

/** Nats by which `logits` were surprised by `id`: the logarithm of the sum of exponentials, less its logit. */
export function surprise(logits: Float32Array, id: number): number {
  let most = -Infinity;
  for (const logit of logits) most = Math.max(most, logit);
  let sum = 0;
  for (const logit of logits) sum += Math.exp(logit - most);
  return most - logits[id]! + Math.log(sum);
}

/** Throws a UserError where `source` has fewer than two tokens, or one that the model has not. */
export async function perplexityOf(
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
    await eachSurprise(engine, ids, (at, lost) => {
      if (first + at < counted) return;
      nats += lost;
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

/** Gives each token of `ids` but the first to `take`, with the nats by which it was a surprise. */
async function eachSurprise(
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
      take(at + i + 1, surprise(logits.subarray(i * size, (i + 1) * size), ids[at + i + 1]!));
    }
  }
}

export interface LastWords {
  readonly passages: number;
  /** Of those, whose last word is what the model would have written. */
  readonly correct: number;
  readonly accuracy: number;
  /** e to the mean surprise of a last word, over all its tokens. */
  readonly perplexity: number;
}

/** A passage parted before its last word, which keeps the space before it. */
export function partedPassage(text: string): readonly [context: string, word: string] {
  const [, context, word] = /^([^]*\S)(\s+\S+)\s*$/.exec(text) ?? [];
  if (context !== undefined && word !== undefined) return [context, word.replace(/^\s+/, " ")];
  throw new UserError(`a passage has fewer than two words: ${JSON.stringify(text.slice(0, 60))}`);
}

/** Whether the model, always taking the likeliest token, ends each passage with its last word. */
export async function lastWordsOf(
  engine: Engine,
  tokenizer: Tokenizer,
  passages: readonly string[],
  { progress, signal }: Pick<PerplexityOptions, "progress" | "signal"> = {},
): Promise<LastWords> {
  let [correct, nats, done] = [0, 0, 0];
  for (const passage of passages) {
    if (signal?.aborted) break;
    const [context, word] = partedPassage(passage);
    const target = tokenizer.encode(word);
    const before = tokenizer.encode(context).slice(-(engine.maxPositions - target.length + 1));
    const { isRight, lost } = await lastWord(engine, before, target);
    correct += isRight ? 1 : 0;
    nats += lost;
    done += 1;
    progress?.(done, passages.length);
  }
  return { passages: done, correct, accuracy: correct / done, perplexity: Math.exp(nats / done) };
}

async function lastWord(engine: Engine, context: Int32Array, target: Int32Array) {
  const ids = Int32Array.from([...context, ...target.subarray(0, -1)]);
  const size = engine.vocabularySize;
  const keep = target.length;
  const logits = await engine.run({ firstRow: 0, lengths: [0], ids, keep });
  let [isRight, lost] = [true, 0];
  target.forEach((id, i) => {
    const own = logits.subarray(i * size, (i + 1) * size);
    lost += surprise(own, id);
    isRight &&= own.every((logit, other) => logit < own[id]! || other === id);
  });
  return { isRight, lost };
}
