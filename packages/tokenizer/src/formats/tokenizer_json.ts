// Hugging Face's tokenizer.json of a byte-level BPE.

import { UserError } from "@tessera/config";
import { readJson, writeFileAtomic } from "@tessera/files";
import * as v from "valibot";
import { bytesToUnicode } from "./byte_unicode.js";
import type { BpeModel } from "../bpe/model.js";
import type { Pattern } from "../bpe/pattern.js";
import { allTokens } from "../bpe/token_list.js";
import { checkVocabulary, MAX_FILE_BYTES, createModel } from "./vocabulary_files.js";

const AddedToken = v.object({
  id: v.pipe(v.number(), v.safeInteger(), v.minValue(0), v.maxValue(2 ** 21)),
  content: v.pipe(v.string(), v.minLength(1)),
  single_word: v.optional(v.boolean(), false),
  lstrip: v.optional(v.boolean(), false),
  rstrip: v.optional(v.boolean(), false),
});

const ByteLevel = v.object({
  type: v.literal("ByteLevel"),
  add_prefix_space: v.optional(v.boolean(), false),
  use_regex: v.optional(v.boolean(), true),
});

const Split = v.object({
  type: v.literal("Split"),
  pattern: v.object({ Regex: v.string() }),
  behavior: v.literal("Isolated"),
  invert: v.optional(v.boolean(), false),
});

const PreTokenizer = v.union([
  ByteLevel,
  v.object({ type: v.literal("Sequence"), pretokenizers: v.tuple([Split, ByteLevel]) }),
]);

const File = v.object({
  added_tokens: v.optional(v.array(AddedToken), []),
  normalizer: v.optional(v.null(), null),
  pre_tokenizer: PreTokenizer,
  model: v.object({
    type: v.optional(v.literal("BPE"), "BPE"),
    // Checked later: a record schema would skip tokens such as "constructor".
    vocab: v.unknown(),
    merges: v.array(v.union([v.string(), v.tuple([v.string(), v.string()])])),
    ignore_merges: v.optional(v.boolean(), false),
  }),
});

/**
 * The model in the tokenizer.json at `path`.
 *
 * @throws UserError that names the file, where it cannot be read or is not of this kind.
 */
export function readTokenizerJson(path: string): BpeModel {
  const parsed = v.safeParse(File, readJson(path, MAX_FILE_BYTES));
  if (!parsed.success) {
    const [issue] = parsed.issues;
    throw new UserError(
      `${path}: is no tokenizer of the byte-level BPE kind ` +
        `(${v.getDotPath(issue) ?? "the file"}: ${issue.message})`,
    );
  }
  const { added_tokens, pre_tokenizer, model } = parsed.output;
  const pairs = model.merges.map((merge, i): readonly [string, string] => {
    const [left, right, surplus] = typeof merge === "string" ? merge.split(" ") : merge;
    if (left === undefined || right === undefined || surplus !== undefined) {
      throw new UserError(`${path}: merge ${i + 1} is not two tokens`);
    }
    return [left, right];
  });
  for (const { content, single_word, lstrip, rstrip } of added_tokens) {
    if (single_word || lstrip || rstrip) {
      throw new UserError(
        `${path}: token ${content} takes the spaces or words around it, which is not supported`,
      );
    }
  }
  return createModel({
    name: path,
    vocab: checkVocabulary(model.vocab, path),
    pairs,
    pattern: readPattern(pre_tokenizer, path),
    added: Object.fromEntries(added_tokens.map(({ content, id }) => [content, id])),
    ignoreMerges: model.ignore_merges,
  });
}

function readPattern(pre: v.InferOutput<typeof PreTokenizer>, path: string): Pattern {
  const level = pre.type === "Sequence" ? pre.pretokenizers[1] : pre;
  const split = pre.type === "Sequence" ? pre.pretokenizers[0] : null;
  if (level.add_prefix_space) {
    throw new UserError(`${path}: puts a space before each text, which is not supported`);
  }
  if (split?.invert) throw new UserError(`${path}: has an inverted split, which is not supported`);
  if (split !== null && level.use_regex) {
    throw new UserError(`${path}: splits text twice, which is not supported`);
  }
  if (split !== null) return { regex: split.pattern.Regex };
  return level.use_regex ? "gpt2" : { regex: "[^]+" };
}

/**
 * Writes a model, whose ranks must be the indices of its merges (`rankIsToken` is false), atomically.
 *
 * @throws UserError where the file cannot be written.
 */
export function writeTokenizerJson(path: string, model: BpeModel): void {
  const special = new Set(Object.values(model.specials));
  const nameOf = new Map(Object.entries(model.specials).map(([text, id]) => [id, text]));
  const names = allTokens(model.tokens).map((token, id) => nameOf.get(id) ?? bytesToUnicode(token));
  const merges: string[] = [];
  for (let i = 0; i < model.merges.length; i += 3) {
    merges.push(`${names[model.merges[i]!]!} ${names[model.merges[i + 1]!]!}`);
  }
  const level = { type: "ByteLevel", add_prefix_space: false, trim_offsets: true };
  const pre_tokenizer =
    model.pattern === "gpt2"
      ? { ...level, use_regex: true }
      : {
          type: "Sequence",
          pretokenizers: [
            {
              type: "Split",
              pattern: { Regex: model.pattern.regex },
              behavior: "Isolated",
              invert: false,
            },
            { ...level, use_regex: false },
          ],
        };
  const file = {
    version: "1.0",
    truncation: null,
    padding: null,
    added_tokens: [...special]
      .sort((a, b) => a - b)
      .map((id) => ({
        id,
        content: nameOf.get(id),
        single_word: false,
        lstrip: false,
        rstrip: false,
        normalized: false,
        special: true,
      })),
    normalizer: null,
    pre_tokenizer,
    post_processor: null,
    decoder: { ...level, use_regex: true },
    model: {
      type: "BPE",
      dropout: null,
      unk_token: null,
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: false,
      byte_fallback: false,
      ignore_merges: model.ignoreMerges,
      vocab: Object.fromEntries(names.map((name, id) => [name, id])),
      merges,
    },
  };
  writeFileAtomic(path, `${JSON.stringify(file)}\n`);
}
