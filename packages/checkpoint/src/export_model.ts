// From a checkpoint to the model alone, as other programs load it.

import { mkdirSync, readdirSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { openModel } from "./hugging_face/open_model.js";
import { writingModel } from "./hugging_face/write_model.js";

/**
 * Writes the model of the checkpoint `from` into the folder `to`, in Hugging Face's layout. Whatever its size,
 * one tensor of it is in memory at a time. Files of earlier exports are replaced once these are whole.
 */
export function exportModel(from: string, to: string): void {
  const model = openModel(from);
  const partial = join(to, `.model.partial-${process.pid}`);
  try {
    mkdirSync(partial, { recursive: true });
    for (const _step of writingModel(partial, model.config, (path) => model.valuesAt(path)));
    for (const name of readdirSync(partial)) renameSync(join(partial, name), join(to, name));
  } finally {
    model.close();
    rmSync(partial, { recursive: true, force: true });
  }
}
