// GPT-2's vocab.json and merges.txt, and tiktoken's rank files, as models.

import { UserError } from "@tessera/config";
import { readJson, readText } from "@tessera/files";
import { bytesOfLetters } from "./byte_alphabet.js";
import { byteTable } from "./byte_table.js";
import type { BpeModel } from "./model.js";
import type { Merges } from "./pair_table.js";
import type { Pattern } from "./pattern.js";
import { eachToken, tokenList } from "./token_list.js";

/** Vocabularies are smaller; larger files are refused before they are read. */
export const MAX_FILE_BYTES = 256 * 2 ** 20;

/** Ids are below this, so that a file cannot ask for more memory than a vocabulary needs. */
const MAX_IDS = 2 ** 21;

/** What vocabularies call the token between documents, the likeliest first. */
const ENDS = ["<|endoftext|>", "<|end_of_text|>", "</s>", "<eos>"];

export const endOfTextAmong = (specials: BpeModel["specials"]): number | null =>
  ENDS.map((name) => specials[name]).find((id) => id !== undefined) ?? null;

/** Reads GPT-2's two files. Throws a UserError that names the file and the fault. */
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
  return modelOf({ name: vocabPath, vocab, pairs, pattern: "gpt2", added: {}, wholePieces: false });
}

export type VocabularyIds = ReadonlyMap<string, number>;

/** Checks that `value` is tokens with whole numbers as ids, each its own. */
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

export interface VocabularyParts {
  readonly name: string;
  readonly vocab: VocabularyIds;
  readonly pairs: readonly (readonly [string, string])[];
  readonly pattern: Pattern;
  /** Tokens that stand for themselves in text, also those that the vocabulary has. */
  readonly added: Readonly<Record<string, number>>;
  readonly wholePieces: boolean;
}

/** A model from tokens and merges in the letters of `byte_alphabet`. */
export function modelOf({ name, vocab, pairs, pattern, added, wholePieces }: VocabularyParts) {
  const specials: Record<string, number> = { ...added };
  const tokens: Uint8Array[] = [];
  for (const [token, id] of vocab) {
    const bytes = Object.hasOwn(specials, token) ? undefined : bytesOfLetters(token);
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
    tokens: tokenList(tokens),
    merges,
    rankIsToken: false,
    wholePieces,
    pattern,
    specials,
    endOfText: endOfTextAmong(specials),
  });
}

/** Every byte must have an id, so that no text is outside the vocabulary. */
function checkModel(model: BpeModel): BpeModel {
  const special = new Set(Object.values(model.specials));
  const bytes = new Set(
    eachToken(model.tokens).flatMap((token, id) =>
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

export interface TiktokenOptions {
  readonly pattern?: Pattern;
  /** Ids of tokens that the file does not have. */
  readonly specials?: Readonly<Record<string, number>>;
}

/** Reads a rank file of tiktoken: a line per token, its bytes in base64, a space, its id. */
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
  const merges = everySplit(eachToken(tokenList(tokens)));
  for (const [token, id] of Object.entries(specials)) tokens[id] = new TextEncoder().encode(token);
  return checkModel({
    name: path,
    tokens: tokenList(tokens),
    merges,
    rankIsToken: true,
    wholePieces: true,
    pattern,
    specials,
    endOfText: endOfTextAmong(specials),
  });
}

/** In tiktoken any two tokens merge whose bytes together are one. */
function everySplit(tokens: readonly Uint8Array[]): Merges {
  const table = byteTable(tokens.length);
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
