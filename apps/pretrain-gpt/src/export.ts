// The trained model as a folder in Hugging Face's layout.

import { exportModel, whyNotLoadable } from "@tessera/checkpoint";
import { checkAdapterFiles, exportAdapter } from "@tessera/checkpoint/adapters";
import { specialTokensOf } from "@tessera/checkpoint/specials";
import { UserError } from "@tessera/config";
import type { GptConfig } from "@tessera/gpt";
import { withoutLora } from "@tessera/gpt/lora";
import { saveTokenizer } from "@tessera/tokenizer";
import type { Flags } from "./flags.js";
import { pretrainedFolder } from "./pretrained.js";
import type { Vocabulary } from "./vocabulary.js";

/** @throws UserError for a folder that could not be written at the end. */
export function checkExport(flags: Flags, config: GptConfig): void {
  for (const name of ["export-dir", "adapter-dir"] as const) {
    const folder = flags[name];
    if (folder === undefined || flags.save !== undefined) continue;
    throw new UserError(`--${name} ${folder}: is made of the last checkpoint; add --save`);
  }
  if (flags["adapter-dir"] !== undefined) checkAdapterFiles(config);
}

/** Exports the model of `checkpoint`, and its adapters, as far as that is asked for. Returns sentences for the user. */
export function exportTrained(
  flags: Flags,
  config: GptConfig,
  vocabulary: Vocabulary,
  checkpoint: string,
): readonly string[] {
  const { "export-dir": folder, "adapter-dir": adapterFolder } = flags;
  const lines: string[] = [];
  if (adapterFolder !== undefined) {
    exportAdapter(checkpoint, adapterFolder, pretrainedFolder(flags) ?? null);
    lines.push(`adapters  ${adapterFolder}, as PEFT saves them`);
  }
  if (folder !== undefined)
    lines.push(...exportMerged(folder, flags, config, vocabulary, checkpoint));
  return lines;
}

/** Writes the model of `checkpoint`, with adapters merged into it. Returns sentences for the user. */
function exportMerged(
  folder: string,
  { "pretrained-checkpoint": pretrained }: Flags,
  config: GptConfig,
  { tokenizer, endOfDocument }: Vocabulary,
  checkpoint: string,
): readonly string[] {
  exportModel(checkpoint, folder, {
    specials: specialTokensOf(tokenizer ?? { endOfText: endOfDocument }),
    generationFrom: pretrained,
    addFiles: (to) => tokenizer !== null && saveTokenizer(tokenizer, to),
  });
  const problem = whyNotLoadable(withoutLora(config));
  return [
    `model  ${folder}, in Hugging Face's layout${tokenizer === null ? ", without a tokenizer" : ""}`,
    ...(problem === null ? [] : [`model  ${problem}`]),
  ];
}
