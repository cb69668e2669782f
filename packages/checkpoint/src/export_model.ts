// Exports the model of a training checkpoint.

import { readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { stageFolder } from "@tessera/files";
import { mergeLora } from "./adapter/adapted_model.js";
import { openModel } from "./hugging_face/open_model.js";
import { MODEL_FILE } from "./hugging_face/stored_weights.js";
import { writeModelSteps, type WriteModelOptions } from "./hugging_face/write_model.js";

export interface ExportOptions extends WriteModelOptions {
  /** Writes what else belongs to the model, such as its tokenizer, into a folder. Default: nothing. */
  readonly addFiles?: (folder: string) => void;
}

/**
 * Writes the model of the checkpoint `from` into the folder `to`, in Hugging Face's form, with its adapters merged. One tensor is in memory at a
 * time. Files of an earlier export are replaced once all new ones are complete.
 *
 * @throws UserError where the checkpoint is damaged, or the folder cannot be written.
 */
export function exportModel(
  from: string,
  to: string,
  { addFiles, ...options }: ExportOptions = {},
): void {
  const model = mergeLora(openModel(from));
  try {
    const staged = stageFolder(to);
    try {
      const valuesAt = (path: string): Float32Array => model.valuesAt(path);
      for (const _step of writeModelSteps(staged.path, model.config, valuesAt, options));
      addFiles?.(staged.path);
      const names = new Set(readdirSync(staged.path));
      const isStale = (name: string): boolean => WEIGHTS.test(name) && !names.has(name);
      // A single file counts before an index, so an earlier one goes first.
      if (!names.has(MODEL_FILE)) rmSync(join(to, MODEL_FILE), { force: true });
      staged.commit();
      for (const name of readdirSync(to).filter(isStale)) rmSync(join(to, name));
    } finally {
      staged.abort();
    }
  } finally {
    model.close();
  }
}

/** Files of weights that an export writes. */
const WEIGHTS = /^model(-\d{5}-of-\d{5})?\.safetensors(\.index\.json)?$/;
