// The layouts that are read and written.

import { UserError } from "@tessera/config";
import type { GptConfig } from "@tessera/gpt";
import { ownLayout } from "../own_layout.js";
import { gpt2Layout } from "./gpt2.js";
import { gptjLayout } from "./gptj.js";
import type { Layout } from "./layout.js";
import { llamaLayout } from "./llama.js";

const layouts: readonly Layout[] = [gpt2Layout, gptjLayout, llamaLayout, ownLayout];

/** The layout that such a model is written in: Hugging Face's where it has one for it. */
export const layoutFor = (config: GptConfig): Layout =>
  layouts.find((layout) => layout.fits(config)) ?? ownLayout;

/** The layout of the family that config.json names. Throws a UserError where none is known. */
export function layoutOfConfig(json: unknown, path: string): Layout {
  const { model_type: type } = (json ?? {}) as { readonly model_type?: unknown };
  const found = layouts.find(({ modelType }) => modelType === type);
  if (found !== undefined) return found;
  const known = layouts.map(({ modelType }) => modelType).join(", ");
  throw new UserError(`${path}: model_type is ${JSON.stringify(type)}, must be one of ${known}`);
}
