// The ids that begin, end and pad texts, as the files of a model say them. `generation_config.json` is asked before
// config.json, as `transformers` does, and then the tokenizer.

import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { readJson } from "@tessera/files";
import * as v from "valibot";
import { parse } from "./fields.js";

/** Ids of tokens with a meaning of their own. */
export interface SpecialTokenIds {
  /** What a text begins with; null for nothing. */
  readonly bos: number | null;
  /** Any of these ends a text. */
  readonly eos: readonly number[];
  /** What fills a row of a batch; null for nothing. */
  readonly pad: number | null;
}

export const noSpecialTokens: SpecialTokenIds = { bos: null, eos: [], pad: null };

export const GENERATION_CONFIG = "generation_config.json";
/** Files of settings are smaller. */
export const MAX_BYTES = 2 ** 20;

// Old files have -1 for none.
const id = v.pipe(v.number(), v.safeInteger());

const File = v.object({
  bos_token_id: v.nullish(id),
  eos_token_id: v.nullish(v.union([id, v.array(id)])),
  pad_token_id: v.nullish(id),
});

type Said = v.InferOutput<typeof File>;

/**
 * The ids that the model in `folder` has. What its files do not say, or is not among the `vocabularySize` ids, is as
 * in `fallback`, which its tokenizer says.
 *
 * @throws UserError that names the file and the key.
 */
export function readSpecialTokenIds(
  folder: string,
  vocabularySize: number,
  fallback: SpecialTokenIds = noSpecialTokens,
): SpecialTokenIds {
  const files = [GENERATION_CONFIG, "config.json"].map((name) => readIds(join(folder, name)));
  const isThere = (one: number): boolean => one >= 0 && one < vocabularySize;
  const first = (key: "bos_token_id" | "pad_token_id"): number | undefined =>
    files.map((file) => file[key] ?? -1).find(isThere);
  const ends = files.map(({ eos_token_id: eos }) => [eos ?? []].flat().filter(isThere));
  return {
    bos: first("bos_token_id") ?? fallback.bos,
    eos: ends.find((some) => some.length > 0) ?? fallback.eos,
    pad: first("pad_token_id") ?? fallback.pad,
  };
}

const readIds = (path: string): Said =>
  existsSync(path) ? parse(File, readJson(path, MAX_BYTES), path) : {};

/** The ids that a tokenizer has. As in GPT-2, one stands between texts where no other begins them. */
export const specialTokensOf = (tokenizer: {
  readonly beginOfText?: number;
  readonly endOfText: number | null;
  readonly padding?: number;
}): SpecialTokenIds => ({
  bos: tokenizer.beginOfText ?? tokenizer.endOfText,
  eos: tokenizer.endOfText === null ? [] : [tokenizer.endOfText],
  pad: tokenizer.padding ?? null,
});

/** The keys that say `ids` in a file. */
export const specialTokenKeys = ({ bos, eos, pad }: SpecialTokenIds) => ({
  bos_token_id: bos,
  eos_token_id: eos.length > 1 ? eos : (eos[0] ?? null),
  pad_token_id: pad,
});

/**
 * Writes generation_config.json into `folder`: `ids`, and what else that of the folder `source` says.
 *
 * @throws UserError where that is no JSON.
 */
export function writeGenerationConfig(
  folder: string,
  ids: SpecialTokenIds,
  source: string | undefined,
): void {
  const path = source === undefined ? undefined : join(source, GENERATION_CONFIG);
  const isThere = path !== undefined && existsSync(path);
  const others = isThere ? (readJson(path, MAX_BYTES) as object) : { _from_model_config: true };
  const json = { ...others, ...specialTokenKeys(ids) };
  writeFileSync(join(folder, GENERATION_CONFIG), `${JSON.stringify(json, null, 2)}\n`);
}
