// From a checkpoint to the model alone, as other programs load it.

import { mkdirSync, readdirSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { holdingOf } from "@tessera/layers";
import { WHOLE } from "@tessera/mesh";
import { writeModelOf } from "./model_files.js";
import { openCheckpoint, WEIGHTS } from "./sharded/saved.js";

/**
 * Writes the model of the checkpoint `from` into the folder `to`: a GPT-2 in Hugging Face's layout. Whatever
 * its size, one tensor of it is in memory at a time. Files of earlier exports are replaced once these are whole.
 */
export function exportModel(from: string, to: string): void {
  const saved = openCheckpoint(from);
  const partial = join(to, `.model.partial-${process.pid}`);
  try {
    saved.check(WHOLE);
    mkdirSync(partial, { recursive: true });
    writeModelOf(partial, saved.config, (path, leaf) =>
      saved.values(WEIGHTS, holdingOf(leaf, WHOLE, path)),
    );
    for (const name of readdirSync(partial)) renameSync(join(partial, name), join(to, name));
  } finally {
    saved.close();
    rmSync(partial, { recursive: true, force: true });
  }
}
