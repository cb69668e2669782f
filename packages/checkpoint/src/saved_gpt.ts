// The GPT that a training checkpoint holds, for what knows GPTs alone: Hugging Face's layouts and ONNX.

import { join } from "node:path";
import { UserError } from "@tessera/config";
import { parseConfig, type GptConfig } from "@tessera/gpt";
import { INDEX } from "./sharded/index_format.js";
import type { SavedCheckpoint } from "./sharded/saved.js";

/**
 * The configuration of the model that `saved` holds.
 * @throws UserError where it is of another family.
 */
export function savedGptConfig({ folder, family, config }: SavedCheckpoint): GptConfig {
  if (family === "gpt") return parseConfig(config, join(folder, INDEX));
  throw new UserError(
    `${folder}: holds a model of the family ${family}; only those of gpt are read here`,
  );
}
