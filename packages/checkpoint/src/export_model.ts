// Exports the model of a training checkpoint.

import { stageFolder } from "@tessera/files";
import { openModel } from "./hugging_face/open_model.js";
import { writeModelSteps } from "./hugging_face/write_model.js";

/**
 * Writes the model of the checkpoint `from` into the folder `to`, in Hugging Face's form. One tensor is in memory at a
 * time. Files of an earlier export are replaced once all new ones are complete.
 *
 * @throws UserError where the checkpoint is damaged, or the folder cannot be written.
 */
export function exportModel(from: string, to: string): void {
  const model = openModel(from);
  try {
    const staged = stageFolder(to);
    try {
      for (const _step of writeModelSteps(staged.path, model.config, (path) =>
        model.valuesAt(path),
      ));
      staged.commit();
    } finally {
      staged.abort();
    }
  } finally {
    model.close();
  }
}
