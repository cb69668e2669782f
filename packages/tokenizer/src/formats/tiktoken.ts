// Rank files of tiktoken. They have tokens alone: the pattern and the special tokens are known for some, and must be said
// of others.

import { createHash } from "node:crypto";
import { UserError } from "@tessera/config";
import { readText } from "@tessera/files";
import { specialTokens } from "../bpe/added_token.js";
import { createByteTable } from "../bpe/byte_table.js";
import { knownPatterns, type KnownPattern } from "../bpe/known_patterns.js";
import type { BpeModel } from "../bpe/model.js";
import type { Merges } from "../bpe/pair_table.js";
import type { PreTokenizerStep } from "../bpe/pre_tokenizer.js";
import { allTokens, createTokenList } from "../bpe/token_list.js";
import { NO_TEMPLATE } from "../tokenizer.js";
import { checkBytes, findEndOfText, MAX_FILE_BYTES, MAX_IDS } from "./vocabulary_files.js";

/** Names of the patterns that split texts for rank files. */
export const tiktokenPatterns = Object.keys(knownPatterns) as readonly KnownPattern[];

/** What a rank file does not say. */
export interface TiktokenOptions {
  /** Default: that of the published file which this one is. */
  readonly pattern?: KnownPattern | undefined;
  /** Ids of special tokens, by their text. Default: those of the published file, or none. */
  readonly specials?: ReadonlyMap<string, number>;
}

interface KnownFile {
  readonly pattern: KnownPattern;
  readonly specials: ReadonlyMap<string, number>;
}

const END = "<|endoftext|>";
const gpt2Like: KnownFile = { pattern: "gpt2", specials: new Map([[END, 50_256]]) };

/** Published files, by their SHA-256. */
const knownFiles: ReadonlyMap<string, KnownFile> = new Map([
  ["306cd27f03c1a714eca7108e03d66b7dc042abe8c258b44c199a7ed9838dd930", gpt2Like], // r50k_base
  ["94b5ca7dff4d00767bc256fdd1b27e5b17361d7b8a5f968547f9f23eb70d2069", gpt2Like], // p50k_base
  [
    "223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7",
    {
      pattern: "cl100k_base",
      specials: new Map([
        [END, 100_257],
        ["<|fim_prefix|>", 100_258],
        ["<|fim_middle|>", 100_259],
        ["<|fim_suffix|>", 100_260],
        ["<|endofprompt|>", 100_276],
      ]),
    },
  ],
  [
    "446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d",
    {
      pattern: "o200k_base",
      specials: new Map([
        [END, 199_999],
        ["<|endofprompt|>", 200_018],
      ]),
    },
  ],
]);

/**
 * The model in a rank file of tiktoken, which has a line per token: its bytes in base64, a space, its id.
 *
 * @throws UserError that names the file and the line, or where the pattern of its texts is neither said nor known.
 */
export function readTiktoken(path: string, options: TiktokenOptions = {}): BpeModel {
  const text = readText(path, MAX_FILE_BYTES);
  const tokens = parseRanks(text, path);
  const known = knownFiles.get(createHash("sha256").update(text).digest("hex"));
  const pattern = options.pattern ?? known?.pattern;
  if (pattern === undefined) {
    throw new UserError(
      `${path}: a rank file of tiktoken does not say by which pattern texts are split, and this one is not known: ` +
        `say --tiktoken-pattern ${tiktokenPatterns.join(" or ")}, or convert it to a tokenizer.json`,
    );
  }
  const specials = options.specials ?? known?.specials ?? new Map<string, number>();
  const merges = findAllMerges(allTokens(createTokenList(tokens)));
  for (const [token, id] of specials) tokens[id] = new TextEncoder().encode(token);
  return checkBytes({
    name: path,
    tokens: createTokenList(tokens),
    merges,
    rankIsToken: true,
    ignoreMerges: true,
    normalizer: [],
    preTokenizer: [stepOf(pattern)],
    added: specialTokens(specials),
    unreachable: [...specials.values()],
    template: NO_TEMPLATE,
    endOfText: findEndOfText(specials),
  });
}

const stepOf = (pattern: KnownPattern): PreTokenizerStep =>
  pattern === "gpt2"
    ? "gpt2"
    : { regex: knownPatterns[pattern], behavior: "Isolated", invert: false };

function parseRanks(text: string, path: string): Uint8Array[] {
  const tokens: Uint8Array[] = [];
  text.split("\n").forEach((line, i) => {
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
  return tokens;
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
