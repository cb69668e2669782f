// From a checkpoint to the model alone, as other programs load it.

import { stageFolder } from "@tessera/files";
import { openModel } from "./hugging_face/open_model.js";
import { writingModel } from "./hugging_face/write_model.js";

/**
 * Writes the model of the checkpoint `from` into the folder `to`, in Hugging Face's layout. Whatever its size,
 * one tensor of it is in memory at a time. Files of earlier exports are replaced once these are whole.
 */
export function exportModel(from: string, to: string): void {
  const model = openModel(from);
  try {
    const staged = stageFolder(to);
    try {
      for (const _step of writingModel(staged.path, model.config, (path) => model.valuesAt(path)));
      staged.commit();
    } finally {
      staged.abort();
    }
  } finally {
    model.close();
  }
}
