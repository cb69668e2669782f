// A model as a folder: config.json and weights, in the form of a Hugging Face family where one fits. `transformers`
// loads such a folder.

import { tensor, type Tensor } from "@tensorflow/tfjs-core";
import { gpt, type GptConfig, type GptParams } from "@tessera/gpt";
import { leafAt, mapTree, type ParamSpec, type TreeOf } from "@tessera/params";
import { openModel, readConfig, type OpenModel } from "./hugging_face/open_model.js";
import { writeModelSteps } from "./hugging_face/write_model.js";
import { savedGptConfig } from "./saved_gpt.js";
import { isSharded, openCheckpoint } from "./sharded/open_checkpoint.js";

/**
 * The configuration of the model in `folder`, which may be a training checkpoint.
 *
 * @throws UserError that names the file and the key which is wrong.
 */
export const readModelConfig = (folder: string): GptConfig =>
  isSharded(folder) ? savedGptConfig(openCheckpoint(folder)) : readConfig(folder).config;

/**
 * The parameters of the model in `folder`, which has `config` and may be a training checkpoint. The caller owns them.
 * @param spec those to read, with their full shapes. Default: all of the model.
 *
 * @throws UserError where a tensor is missing, damaged, or of another shape.
 */
export function readModel(
  folder: string,
  config: GptConfig,
  spec: TreeOf<ParamSpec> = gpt(config).spec,
): GptParams {
  return readOpenModel(openModel(folder), spec);
}

/** The parameters of `model`, which it closes: those in `spec`, with their full shapes. The caller owns them. */
export function readOpenModel(
  model: OpenModel,
  spec: TreeOf<ParamSpec> = gpt(model.config).spec,
): GptParams {
  try {
    // What is read has the structure of its specs.
    return mapTree(spec, ({ shape }: ParamSpec, path) =>
      tensor(model.valuesAt(path), [...shape]),
    ) as GptParams;
  } finally {
    model.close();
  }
}

/**
 * Writes config.json and model.safetensors into `folder`, in fp32. Borrows `params`.
 *
 * @throws UserError where a file cannot be written.
 */
export function writeModel(folder: string, config: GptConfig, params: GptParams): void {
  const valuesAt = (path: string) => leafAt<Tensor>(params, path)!.dataSync<"float32">();
  for (const _progress of writeModelSteps(folder, config, valuesAt, { maxShardBytes: Infinity }));
}
