// The trained model as a folder in Hugging Face's layout.

import { exportModel, whyNotLoadable } from "@tessera/checkpoint";
import { specialTokensOf } from "@tessera/checkpoint/specials";
import { UserError } from "@tessera/config";
import type { GptConfig } from "@tessera/gpt";
import { saveTokenizer } from "@tessera/tokenizer";
import type { Flags } from "./flags.js";
import type { Vocabulary } from "./vocabulary.js";

/** @throws UserError for a folder that could not be written at the end. */
export function checkExport({ save, "export-dir": folder }: Flags): void {
  if (folder === undefined || save !== undefined) return;
  throw new UserError(`--export-dir ${folder}: is made of the last checkpoint; add --save`);
}

/** Exports the model of `checkpoint`, if that is asked for. Returns sentences for the user. */
export function exportTrained(
  { "export-dir": folder, "pretrained-checkpoint": pretrained }: Flags,
  config: GptConfig,
  { tokenizer, endOfDocument }: Vocabulary,
  checkpoint: string,
): readonly string[] {
  if (folder === undefined) return [];
  exportModel(checkpoint, folder, {
    specials: specialTokensOf(tokenizer ?? { endOfText: endOfDocument }),
    generationFrom: pretrained,
    addFiles: (to) => tokenizer !== null && saveTokenizer(tokenizer, to),
  });
  const problem = whyNotLoadable(config);
  return [
    `model  ${folder}, in Hugging Face's layout${tokenizer === null ? ", without a tokenizer" : ""}`,
    ...(problem === null ? [] : [`model  ${problem}`]),
  ];
}
