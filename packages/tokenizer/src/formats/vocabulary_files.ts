// Reads GPT-2's vocab.json and merges.txt, and tiktoken's rank files.

import { UserError } from "@tessera/config";
import { readJson, readText } from "@tessera/files";
import { unicodeToBytes } from "./byte_unicode.js";
import { createByteTable } from "../bpe/byte_table.js";
import type { BpeModel } from "../bpe/model.js";
import type { Merges } from "../bpe/pair_table.js";
import type { Pattern } from "../bpe/pattern.js";
import { allTokens, createTokenList } from "../bpe/token_list.js";

/** Vocabularies are smaller; larger files are refused before they are read. */
export const MAX_FILE_BYTES = 256 * 2 ** 20;

/** Ids must be below this, so that a file cannot ask for more memory than a vocabulary needs. */
const MAX_IDS = 2 ** 21;

/** Names of the token between documents, the likeliest first. */
const ENDS = ["<|endoftext|>", "<|end_of_text|>", "</s>", "<eos>"];

export const findEndOfText = (specials: BpeModel["specials"]): number | null =>
  ENDS.map((name) => specials[name]).find((id) => id !== undefined) ?? null;

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
    pattern: "gpt2",
    added: {},
    ignoreMerges: false,
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

export interface ModelParts {
  readonly name: string;
  readonly vocab: VocabularyIds;
  readonly pairs: readonly (readonly [string, string])[];
  readonly pattern: Pattern;
  /** Added tokens, whose text is plain, also those that the vocabulary has. */
  readonly added: Readonly<Record<string, number>>;
  readonly ignoreMerges: boolean;
}

/** A model of tokens and merges that are written as in byte_unicode.ts. Throws a UserError. */
export function createModel({ name, vocab, pairs, pattern, added, ignoreMerges }: ModelParts) {
  const specials: Record<string, number> = { ...added };
  const tokens: Uint8Array[] = [];
  for (const [token, id] of vocab) {
    const bytes = Object.hasOwn(specials, token) ? undefined : unicodeToBytes(token);
    if (bytes === undefined || ENDS.includes(token)) specials[token] = id;
    else tokens[id] = bytes;
  }
  for (const [token, id] of Object.entries(specials)) tokens[id] = new TextEncoder().encode(token);
  const merges = new Int32Array(3 * pairs.length);
  pairs.forEach(([left, right], i) => {
    const ids = [vocab.get(left), vocab.get(right), vocab.get(left + right)];
    if (ids.includes(undefined)) {
      throw new UserError(`${name}: merge ${i + 1} is of ${left} and ${right}, not all are tokens`);
    }
    merges.set(ids as number[], 3 * i);
  });
  return checkModel({
    name,
    tokens: createTokenList(tokens),
    merges,
    rankIsToken: false,
    ignoreMerges,
    pattern,
    specials,
    endOfText: findEndOfText(specials),
  });
}

/** Every byte must have an id, so that no text is outside the vocabulary. */
function checkModel(model: BpeModel): BpeModel {
  const special = new Set(Object.values(model.specials));
  const bytes = new Set(
    allTokens(model.tokens).flatMap((token, id) =>
      token.length === 1 && !special.has(id) ? [token[0]!] : [],
    ),
  );
  if (bytes.size < 256) {
    const missing = Array.from({ length: 256 }, (_, byte) => byte).find((byte) => !bytes.has(byte));
    throw new UserError(
      `${model.name}: has no token for byte ${missing}, a byte-level vocabulary with all 256 is needed`,
    );
  }
  return model;
}

/** What a rank file does not say. */
export interface TiktokenOptions {
  /** Default: "gpt2". */
  readonly pattern?: Pattern;
  /** Ids of special tokens, by their text. Default: none. */
  readonly specials?: Readonly<Record<string, number>>;
}

/**
 * The model in a rank file of tiktoken, which has a line per token: its bytes in base64, a space, its id.
 *
 * @throws UserError that names the file and the line.
 */
export function readTiktoken(path: string, options: TiktokenOptions = {}): BpeModel {
  const { pattern = "gpt2", specials = {} } = options;
  const tokens: Uint8Array[] = [];
  const lines = readText(path, MAX_FILE_BYTES).split("\n");
  lines.forEach((line, i) => {
    if (line.trim() === "") return;
    const [, base64, digits] = /^([A-Za-z0-9+/]+=*) (\d{1,7})\r?$/.exec(line) ?? [];
    const id = Number(digits);
    if (base64 === undefined || id >= MAX_IDS || tokens[id] !== undefined) {
      throw new UserError(
        `${path}: line ${i + 1} is not a token in base64, a space, and an id of its own`,
      );
    }
    tokens[id] = Uint8Array.from(Buffer.from(base64, "base64"));
  });
  const merges = findAllMerges(allTokens(createTokenList(tokens)));
  for (const [token, id] of Object.entries(specials)) tokens[id] = new TextEncoder().encode(token);
  return checkModel({
    name: path,
    tokens: createTokenList(tokens),
    merges,
    rankIsToken: true,
    ignoreMerges: true,
    pattern,
    specials,
    endOfText: findEndOfText(specials),
  });
}

/** In tiktoken any two tokens whose concatenation is a token merge. */
function findAllMerges(tokens: readonly Uint8Array[]): Merges {
  const table = createByteTable(tokens.length);
  const ids: number[] = [];
  tokens.forEach((token, id) => {
    if (token.length === 0 || table.find(token, 0, token.length) >= 0) return;
    table.add(token, 0, token.length);
    ids.push(id);
  });
  const merges: number[] = [];
  tokens.forEach((token, id) => {
    for (let middle = 1; middle < token.length; middle += 1) {
      const left = table.find(token, 0, middle);
      const right = left < 0 ? -1 : table.find(token, middle, token.length);
      if (right >= 0) merges.push(ids[left]!, ids[right]!, id);
    }
  });
  return Int32Array.from(merges);
}
