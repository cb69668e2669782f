// What stands beside a tokenizer.json: which tokens begin, end and pad texts, and which others are special. What is put
// around a text, tokenizer.json alone says.

import { existsSync } from "node:fs";
import { join } from "node:path";
import { UserError } from "@tessera/config";
import { describeIssue } from "@tessera/config/issues";
import { readJson } from "@tessera/files";
import * as v from "valibot";
import { specialTokens } from "../bpe/added_token.js";
import type { BpeModel } from "../bpe/model.js";
import { allTokens, tokenCount } from "../bpe/token_list.js";

export const TOKENIZER_CONFIG = "tokenizer_config.json";
const SPECIAL_TOKENS_MAP = "special_tokens_map.json";
const MAX_BYTES = 2 ** 24;

const Content = v.union([
  v.string(),
  v.pipe(
    v.object({ content: v.string() }),
    v.transform(({ content }) => content),
  ),
]);
const Token = v.nullish(Content);

const Tokens = v.object({
  bos_token: Token,
  eos_token: Token,
  pad_token: Token,
  unk_token: Token,
  sep_token: Token,
  cls_token: Token,
  mask_token: Token,
  // Lists in all files but those of a few models, whose names for single tokens do not matter here.
  additional_special_tokens: v.nullish(v.array(Content)),
  extra_special_tokens: v.nullish(v.union([v.array(Content), v.record(v.string(), Content)])),
});

const Config = v.object({ ...Tokens.entries, added_tokens_decoder: v.optional(v.unknown()) });

const id = v.pipe(v.number(), v.safeInteger());
/** Of a model beside the tokenizer: the ids that end its texts. */
const ModelConfig = v.object({ eos_token_id: v.nullish(v.union([id, v.array(id)])) });
const MODEL_CONFIGS = ["generation_config.json", "config.json"];

/**
 * `model` with what tokenizer_config.json and special_tokens_map.json in `folder` say of it, as `transformers` has it.
 * Where they name no end of a text, it is that of the model beside them.
 *
 * @throws UserError that names the file and the key.
 */
export function applyTokenizerConfig(model: BpeModel, folder: string): BpeModel {
  const config = read(Config, join(folder, TOKENIZER_CONFIG));
  // The older file counts where the newer one does not list the tokens.
  const isListed = config.added_tokens_decoder !== undefined;
  const map = isListed ? {} : read(Tokens, join(folder, SPECIAL_TOKENS_MAP));
  const { added_tokens_decoder: _, ...said } = { ...config, ...map };
  const contents = Object.values(said).flatMap((one) =>
    typeof one === "string" ? [one] : Object.values(one ?? {}),
  );
  const idOf = findIds(model, contents);
  const of = (content: string | null | undefined) => idOf.get(content ?? "");
  const [bos, eos, pad] = [of(said.bos_token), of(said.eos_token), of(said.pad_token)];
  const known = new Set(model.added.map(({ content }) => content));
  return {
    ...model,
    added: [...model.added, ...specialTokens([...idOf].filter(([content]) => !known.has(content)))],
    endOfText: eos ?? findModelEnd(folder, tokenCount(model.tokens)) ?? model.endOfText,
    ...(bos !== undefined && { beginOfText: bos }),
    ...(pad !== undefined && { padding: pad }),
  };
}

/** The first id below `count` that ends a text, according to the model in `folder`. */
const findModelEnd = (folder: string, count: number): number | undefined =>
  MODEL_CONFIGS.flatMap((name) => read(ModelConfig, join(folder, name)).eos_token_id ?? []).find(
    (one) => one >= 0 && one < count,
  );

/** The ids of those of `contents` that the vocabulary has. */
function findIds(
  { added, tokens }: BpeModel,
  contents: readonly string[],
): ReadonlyMap<string, number> {
  const wanted = new Set(contents.filter((content) => content !== ""));
  const ids = new Map<string, number>();
  for (const { content, id } of added) if (wanted.delete(content)) ids.set(content, id);
  if (wanted.size === 0) return ids;
  const longest = Math.max(...Array.from(wanted, (content) => Buffer.byteLength(content)));
  allTokens(tokens).forEach((bytes, id) => {
    if (bytes.length === 0 || bytes.length > longest) return;
    const text = Buffer.from(bytes).toString();
    if (wanted.delete(text)) ids.set(text, id);
  });
  return ids;
}

/** What the file at `path` says; nothing where there is none. */
function read<T>(schema: v.GenericSchema<unknown, T>, path: string): Partial<T> {
  if (!existsSync(path)) return {};
  const result = v.safeParse(schema, readJson(path, MAX_BYTES), { abortEarly: true });
  if (result.success) return result.output;
  throw new UserError(`${path}: ${describeIssue(result.issues)}`);
}
