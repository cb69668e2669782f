// What generation_config.json asks for beyond ids of tokens, and what `transformers` would let change a text.

import { existsSync } from "node:fs";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { readJson } from "@tessera/files";
import { GENERATION_CONFIG, MAX_BYTES } from "./special_token_ids.js";

/** Settings that nothing here follows, and the values with which they change nothing, beside null. */
const UNFOLLOWED: Readonly<Record<string, readonly unknown[]>> = {
  num_beams: [1],
  num_beam_groups: [1],
  no_repeat_ngram_size: [0],
  min_length: [0],
  min_new_tokens: [0],
  min_p: [0],
  typical_p: [1],
  epsilon_cutoff: [0],
  eta_cutoff: [0],
  penalty_alpha: [0],
  guidance_scale: [1],
  suppress_tokens: [[]],
  begin_suppress_tokens: [[]],
  bad_words_ids: [[]],
  sequence_bias: [{}],
  forced_bos_token_id: [],
  forced_eos_token_id: [],
  exponential_decay_length_penalty: [],
  stop_strings: [[]],
};

/**
 * The settings in generation_config.json of `folder` that would change its texts and are not followed.
 *
 * @throws UserError where the file is no JSON.
 */
export function findUnfollowedSettings(folder: string): readonly string[] {
  const path = join(folder, GENERATION_CONFIG);
  const json = existsSync(path)
    ? (readJson(path, MAX_BYTES) as Record<string, unknown> | null)
    : {};
  return Object.entries(UNFOLLOWED).flatMap(([name, neutral]) => {
    const value = json?.[name] ?? null;
    const isNeutral = value === null || neutral.some((one) => isDeepStrictEqual(one, value));
    return isNeutral ? [] : [name];
  });
}
