// Reads GPT-2's vocab.json and merges.txt.

import { UserError } from "@tessera/config";
import { readJson, readText } from "@tessera/files";
import { unicodeToBytes } from "./byte_unicode.js";
import { specialTokens } from "../bpe/added_token.js";
import { findByteIds } from "../bpe/encoder.js";
import type { BpeModel } from "../bpe/model.js";
import { createTokenList } from "../bpe/token_list.js";
import { NO_TEMPLATE } from "../tokenizer.js";

/** Vocabularies are smaller; larger files are refused before they are read. */
export const MAX_FILE_BYTES = 256 * 2 ** 20;

/** Ids must be below this, so that a file cannot ask for more memory than a vocabulary needs. */
export const MAX_IDS = 2 ** 21;

/** Names of the token between documents, the likeliest first. */
const ENDS = ["<|endoftext|>", "<|end_of_text|>", "</s>", "<eos>"];

export const findEndOfText = (ids: ReadonlyMap<string, number>): number | null =>
  ENDS.map((name) => ids.get(name)).find((id) => id !== undefined) ?? null;

/**
 * The model in GPT-2's two files.
 *
 * @throws UserError that names the file and what is wrong with it.
 */
export function readVocabMerges(vocabPath: string, mergesPath: string): BpeModel {
  const vocab = checkVocabulary(readJson(vocabPath, MAX_FILE_BYTES), vocabPath);
  const lines = readText(mergesPath, MAX_FILE_BYTES).split(/\r?\n/);
  const pairs = lines.flatMap((line, i): readonly (readonly [string, string])[] => {
    // The first line alone is a comment: some merges begin with # as well.
    if (line === "" || (i === 0 && line.startsWith("#version"))) return [];
    const [left, right, surplus] = line.split(" ");
    if (left === undefined || right === undefined || surplus !== undefined) {
      throw new UserError(`${mergesPath}: line ${i + 1} is not two tokens with a space between`);
    }
    return [[left, right]];
  });
  return createModel({
    name: vocabPath,
    vocab,
    pairs,
    normalizer: [],
    preTokenizer: ["gpt2"],
    added: specialTokens(ENDS.flatMap((end) => (vocab.has(end) ? [[end, vocab.get(end)!]] : []))),
    ignoreMerges: false,
    template: NO_TEMPLATE,
  });
}

export type VocabularyIds = ReadonlyMap<string, number>;

/** Checks that `value` maps tokens to integer ids without duplicates. Throws a UserError. */
export function checkVocabulary(value: unknown, path: string): VocabularyIds {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new UserError(`${path}: is no vocabulary, tokens with their ids are needed`);
  }
  const seen = new Set<number>();
  for (const [token, id] of Object.entries(value)) {
    if (!Number.isInteger(id) || id < 0 || id >= MAX_IDS || seen.has(id as number)) {
      throw new UserError(
        `${path}: the id of ${JSON.stringify(token)} is ${String(id)}, it must be a whole number ` +
          `below ${MAX_IDS} that no other token has`,
      );
    }
    seen.add(id as number);
  }
  return new Map(Object.entries(value as Record<string, number>));
}

export interface ModelParts extends Pick<
  BpeModel,
  "name" | "normalizer" | "preTokenizer" | "added" | "ignoreMerges" | "template"
> {
  /** Added tokens are in it, or not. */
  readonly vocab: VocabularyIds;
  readonly pairs: readonly (readonly [string, string])[];
}

/** A model of tokens and merges that are written as in byte_unicode.ts. Throws a UserError. */
export function createModel({ vocab, pairs, ...parts }: ModelParts): BpeModel {
  const tokens: Uint8Array[] = [];
  const unreachable: number[] = [];
  const addOutside = (text: string, id: number): void => {
    tokens[id] = new TextEncoder().encode(text);
    unreachable.push(id);
  };
  for (const [token, id] of vocab) {
    const bytes = unicodeToBytes(token);
    if (bytes === undefined) addOutside(token, id);
    else tokens[id] = bytes;
  }
  for (const { content, id } of parts.added) if (!vocab.has(content)) addOutside(content, id);
  const merges = new Int32Array(3 * pairs.length);
  pairs.forEach(([left, right], i) => {
    const ids = [vocab.get(left), vocab.get(right), vocab.get(left + right)];
    if (ids.includes(undefined)) {
      throw new UserError(
        `${parts.name}: merge ${i + 1} is of ${left} and ${right}, not all are tokens`,
      );
    }
    merges.set(ids as number[], 3 * i);
  });
  const specials = parts.added.filter(({ isSpecial }) => isSpecial);
  return checkBytes({
    ...parts,
    tokens: createTokenList(tokens),
    merges,
    unreachable,
    rankIsToken: false,
    endOfText: findEndOfText(new Map(specials.map(({ content, id }) => [content, id]))),
  });
}

/** Every byte must have an id, so that no text is outside the vocabulary. */
export function checkBytes(model: BpeModel): BpeModel {
  const missing = findByteIds(model).indexOf(-1);
  if (missing < 0) return model;
  throw new UserError(
    `${model.name}: has no token for byte ${missing}, a byte-level vocabulary with all 256 is needed`,
  );
}
