// Whose ids the model has: of the tokenizer that is named, or of the folder that the run starts from.

import { resolve } from "node:path";
import { readSpecialTokenIds, specialTokensOf } from "@tessera/checkpoint/specials";
import type { ModelTokenizer } from "@tessera/generation";
import type { GptConfig } from "@tessera/gpt";
import { hasTokenizer, saveTokenizer, type Tokenizer } from "@tessera/tokenizer";
import type { Flags } from "./flags.js";

/** The name of the tokenizer, as `openTokenizer` takes it. */
export function tokenizerName({ tokenizer, model_name_or_path: folder }: Flags): string {
  if (tokenizer !== undefined) return tokenizer;
  return folder !== undefined && hasTokenizer(folder) ? folder : "bytes";
}

/** The tokenizer with what begins and ends texts of the model: a folder with its own tokenizer says that itself. */
export function withSpecials(
  tokenizer: Tokenizer,
  flags: Flags,
  { vocabularySize }: GptConfig,
): ModelTokenizer {
  const { model_name_or_path: folder } = flags;
  const specials = specialTokensOf(tokenizer);
  const isOwn = folder !== undefined && resolve(folder) === resolve(tokenizerName(flags));
  return {
    ...tokenizer,
    specials: isOwn ? readSpecialTokenIds(folder, vocabularySize, specials) : specials,
  };
}

/** What stands beside the weights of the trained model. */
export const exportOptions = (flags: Flags, tokenizer: ModelTokenizer) => ({
  ...(tokenizer.specials !== undefined && { specials: tokenizer.specials }),
  generationFrom: flags.model_name_or_path,
  addFiles: (folder: string) => saveTokenizer(tokenizer, folder),
});
