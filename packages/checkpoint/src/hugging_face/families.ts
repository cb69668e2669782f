// The families of models that are read and written. A new one is a file like `llama.ts` and a place in this list.

import { UserError } from "@tessera/config";
import type { GptConfig } from "@tessera/gpt";
import type { HfFamily } from "./family.js";
import { gpt2 } from "./gpt2.js";
import { gptNeox } from "./gpt_neox.js";
import { gptj } from "./gptj.js";
import { llama } from "./llama.js";
import { mistral } from "./mistral.js";
import { ownFamily } from "./own_family.js";
import { qwen2 } from "./qwen2.js";
import { qwen3 } from "./qwen3.js";
import { starcoder2 } from "./starcoder2.js";

const families: readonly HfFamily[] = [
  gpt2,
  gptj,
  llama,
  mistral,
  qwen2,
  qwen3,
  starcoder2,
  gptNeox,
  ownFamily,
];

/** The family to write a model as: the first that fits `config`. */
export const familyFor = (config: GptConfig): HfFamily =>
  families.find((family) => family.mismatches(config).length === 0) ?? ownFamily;

/** Why `transformers` cannot load a model that is written, as a sentence; null where it can. */
export function whyNotLoadable(config: GptConfig): string | null {
  if (familyFor(config) !== ownFamily) return null;
  const [nearest] = families
    .filter((family) => family !== ownFamily)
    .map((family) => ({ name: family.modelType, fields: family.mismatches(config) }))
    .sort((a, b) => a.fields.length - b.fields.length);
  return (
    "transformers cannot load it: no family there has such a model " +
    `(of ${nearest!.name} it differs in ${nearest!.fields.join(", ")})`
  );
}

/**
 * The family that config.json at `path` names.
 *
 * @throws UserError where none is known.
 */
export function familyOf(json: unknown, path: string): HfFamily {
  const { model_type: type } = (json ?? {}) as { readonly model_type?: unknown };
  const found = families.find(({ modelType }) => modelType === type);
  if (found !== undefined) return found;
  const known = families.map(({ modelType }) => modelType).join(", ");
  throw new UserError(`${path}: model_type is ${JSON.stringify(type)}, must be one of ${known}`);
}
