// Hugging Face's tokenizer.json of a byte-level BPE. What it says is followed to the letter, or refused by name.

import { UserError } from "@tessera/config";
import { describeIssue } from "@tessera/config/issues";
import { readJson, writeFileAtomic } from "@tessera/files";
import * as v from "valibot";
import { AddedTokenEntry, readAddedTokens, writeAddedTokens } from "./added_tokens_section.js";
import { bytesToUnicode } from "./byte_unicode.js";
import type { BpeModel } from "../bpe/model.js";
import { normalForms, type NormalForm } from "../bpe/normalize.js";
import { allTokens, tokenCount } from "../bpe/token_list.js";
import { PostProcessor, readTemplate, writeTemplate } from "./post_processor.js";
import { PreTokenizer, readSteps, writeSteps } from "./pre_tokenizer_section.js";
import { checkVocabulary, MAX_FILE_BYTES, createModel } from "./vocabulary_files.js";

const Form = v.object({ type: v.picklist(normalForms) });
const Normalizer = v.nullish(
  v.variant("type", [Form, v.object({ type: v.literal("Sequence"), normalizers: v.array(Form) })]),
);

/** With a token for each byte, nothing is unknown: `unk_token`, `fuse_unk` and `byte_fallback` have no say. */
const Bpe = v.object({
  type: v.optional(v.literal("BPE"), "BPE"),
  // Checked later: a record schema would skip tokens such as "constructor".
  vocab: v.unknown(),
  merges: v.array(v.union([v.string(), v.tuple([v.string(), v.string()])])),
  ignore_merges: v.optional(v.boolean(), false),
  dropout: v.nullish(v.literal(0)),
  continuing_subword_prefix: v.nullish(v.literal("")),
  end_of_word_suffix: v.nullish(v.literal("")),
});

const ByteLevelDecoder = v.object({ type: v.literal("ByteLevel") });
const Decoder = v.nullish(
  v.variant("type", [
    ByteLevelDecoder,
    v.object({ type: v.literal("Sequence"), decoders: v.tuple([ByteLevelDecoder]) }),
  ]),
);

const File = v.object({
  truncation: v.nullish(v.null()),
  padding: v.nullish(v.null()),
  added_tokens: v.optional(v.array(AddedTokenEntry), []),
  normalizer: Normalizer,
  pre_tokenizer: PreTokenizer,
  post_processor: PostProcessor,
  decoder: Decoder,
  model: Bpe,
});

/**
 * The model in the tokenizer.json at `path`.
 *
 * @throws UserError that names the file and the part that is not followed, or where it cannot be read.
 */
export function readTokenizerJson(path: string): BpeModel {
  const parsed = v.safeParse(File, readJson(path, MAX_FILE_BYTES));
  if (!parsed.success) {
    throw new UserError(
      `${path}: is no tokenizer of the byte-level BPE kind (${describeIssue(parsed.issues)})`,
    );
  }
  const { added_tokens, normalizer, pre_tokenizer, post_processor, model } = parsed.output;
  const vocab = checkVocabulary(model.vocab, path);
  const pairs = model.merges.map((merge, i): readonly [string, string] => {
    const [left, right, surplus] = typeof merge === "string" ? merge.split(" ") : merge;
    if (left === undefined || right === undefined || surplus !== undefined) {
      throw new UserError(`${path}: merge ${i + 1} is not two tokens`);
    }
    return [left, right];
  });
  const template = readTemplate(post_processor, path);
  const parsedModel = createModel({
    name: path,
    vocab,
    pairs,
    normalizer: readForms(normalizer),
    preTokenizer: readSteps(pre_tokenizer, path),
    added: readAddedTokens(added_tokens, vocab, path),
    template,
    ignoreMerges: model.ignore_merges,
  });
  for (const id of [...template.before, ...template.after]) {
    if (id < tokenCount(parsedModel.tokens)) continue;
    throw new UserError(`${path}: post_processor adds id ${id}, which is no token's`);
  }
  return parsedModel;
}

function readForms(section: v.InferOutput<typeof Normalizer>): readonly NormalForm[] {
  if (section === null || section === undefined) return [];
  if (section.type !== "Sequence") return [section.type];
  return section.normalizers.map(({ type }) => type);
}

function writeForms(forms: readonly NormalForm[]): object | null {
  const [first, ...more] = forms.map((type) => ({ type }));
  if (first === undefined) return null;
  return more.length === 0 ? first : { type: "Sequence", normalizers: [first, ...more] };
}

/**
 * Writes a model, atomically.
 *
 * @throws UserError where the file cannot be written.
 */
export function writeTokenizerJson(path: string, model: BpeModel): void {
  const nameOf = new Map(model.added.map(({ content, id }) => [id, content]));
  const unreachable = new Set(model.unreachable);
  const names = allTokens(model.tokens).map(
    (token, id) =>
      nameOf.get(id) ??
      (unreachable.has(id) ? Buffer.from(token).toString("utf8") : bytesToUnicode(token)),
  );
  const merges: string[] = [];
  for (let i = 0; i < model.merges.length; i += 3) {
    merges.push(`${names[model.merges[i]!]!} ${names[model.merges[i + 1]!]!}`);
  }
  const file = {
    version: "1.0",
    truncation: null,
    padding: null,
    added_tokens: writeAddedTokens(model.added),
    normalizer: writeForms(model.normalizer),
    pre_tokenizer: writeSteps(model.preTokenizer),
    post_processor: writeTemplate(model.template, nameOf),
    decoder: { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: true },
    model: {
      type: "BPE",
      dropout: null,
      unk_token: null,
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: false,
      byte_fallback: false,
      ignore_merges: model.ignoreMerges,
      vocab: Object.fromEntries(names.flatMap((name, id) => (name === "" ? [] : [[name, id]]))),
      merges,
    },
  };
  writeFileAtomic(path, `${JSON.stringify(file)}\n`);
}
