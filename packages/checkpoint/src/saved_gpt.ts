// The GPT in a training checkpoint, for Hugging Face's form and ONNX, which know only GPTs.

import { join } from "node:path";
import { UserError } from "@tessera/config";
import { parseConfig, type GptConfig } from "@tessera/gpt";
import { INDEX } from "./sharded/index_format.js";
import type { Checkpoint } from "./sharded/open_checkpoint.js";

/**
 * The configuration of the model in `saved`.
 *
 * @throws UserError where it is of another family.
 */
export function savedGptConfig({ folder, family, config }: Checkpoint): GptConfig {
  if (family === "gpt") return parseConfig(config, join(folder, INDEX));
  throw new UserError(
    `${folder}: holds a model of the family ${family}; only those of gpt are read here`,
  );
}
