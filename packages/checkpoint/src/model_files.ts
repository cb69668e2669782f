// A model as a folder: config.json and its weights, in Hugging Face's layout for it where there is one. The
// folder loads in `transformers` as it is.

import { tensor, type Tensor } from "@tensorflow/tfjs-core";
import { gpt, type GptConfig, type GptParams } from "@tessera/gpt";
import { leafAt, mapTree, type ParamSpec } from "@tessera/params";
import { openModel, readConfig } from "./hugging_face/open_model.js";
import { writingModel } from "./hugging_face/write_model.js";
import { savedGptConfig } from "./saved_gpt.js";
import { isSharded, openCheckpoint } from "./sharded/saved.js";

/** The configuration of the model in `folder`, which may be a checkpoint. */
export const readModelConfig = (folder: string): GptConfig =>
  isSharded(folder) ? savedGptConfig(openCheckpoint(folder)) : readConfig(folder).config;

/** The parameters of the model in `folder`, which has `config` and may be a checkpoint. The caller owns them. */
export function readModel(folder: string, config: GptConfig): GptParams {
  const model = openModel(folder);
  try {
    return mapTree(gpt(config).spec, ({ shape }: ParamSpec, path) =>
      tensor(model.valuesAt(path), [...shape]),
    );
  } finally {
    model.close();
  }
}

/** Writes config.json and model.safetensors into `folder`. */
export function writeModel(folder: string, config: GptConfig, params: GptParams): void {
  const valuesAt = (path: string) => leafAt<Tensor>(params, path)!.dataSync<"float32">();
  for (const _progress of writingModel(folder, config, valuesAt, { maxShardBytes: Infinity }));
}
