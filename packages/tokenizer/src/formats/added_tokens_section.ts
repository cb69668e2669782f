// The added tokens of a tokenizer.json.

import { UserError } from "@tessera/config";
import * as v from "valibot";
import type { AddedToken } from "../bpe/added_token.js";

export const AddedTokenEntry = v.object({
  id: v.pipe(v.number(), v.safeInteger(), v.minValue(0)),
  content: v.pipe(v.string(), v.minLength(1)),
  single_word: v.boolean(),
  lstrip: v.boolean(),
  rstrip: v.boolean(),
  normalized: v.boolean(),
  special: v.boolean(),
});

type Entry = v.InferOutput<typeof AddedTokenEntry>;

/**
 * The tokens of `entries`, with a content once. Hugging Face's tokenizers does not take the ids that the file says: a token
 * that the vocabulary has keeps that id, others get the next ones.
 *
 * @throws UserError where the file says another id.
 */
export function readAddedTokens(
  entries: readonly Entry[],
  vocab: ReadonlyMap<string, number>,
  path: string,
): readonly AddedToken[] {
  const ids = new Map<string, number>();
  let next = vocab.size;
  for (const { content, id } of entries) {
    const given = vocab.get(content) ?? ids.get(content) ?? next;
    if (id !== given) {
      throw new UserError(
        `${path}: added_tokens has id ${id} for ${JSON.stringify(content)}, to which tokenizers gives ${given}`,
      );
    }
    ids.set(content, given);
    next = Math.max(next, given + 1);
  }
  const last = new Map(entries.map((entry) => [entry.content, entry]));
  return [...last.values()].map(toAddedToken);
}

const toAddedToken = (entry: Entry): AddedToken => ({
  content: entry.content,
  id: entry.id,
  isSpecial: entry.special,
  isNormalized: entry.normalized,
  stripsLeft: entry.lstrip,
  stripsRight: entry.rstrip,
  isSingleWord: entry.single_word,
});

/** The entries that `readAddedTokens` reads as `tokens`. */
export const writeAddedTokens = (tokens: readonly AddedToken[]): readonly Entry[] =>
  [...tokens]
    .sort((a, b) => a.id - b.id)
    .map((token) => ({
      id: token.id,
      content: token.content,
      single_word: token.isSingleWord,
      lstrip: token.stripsLeft,
      rstrip: token.stripsRight,
      normalized: token.isNormalized,
      special: token.isSpecial,
    }));
