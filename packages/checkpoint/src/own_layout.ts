// Models that no layout of Hugging Face's has a place for, under the names of their own parameters.

import { parseConfig, saveConfig } from "@tessera/gpt";
import * as v from "valibot";
import { parsed, type Layout } from "./hugging_face/layout.js";

const OWN_TYPE = "tessera-gpt";

const File = v.object({ model_type: v.literal(OWN_TYPE), config: v.unknown() });

/** Every model fits: tensors have the names and shapes of parameters. */
export const ownLayout: Layout = {
  modelType: OWN_TYPE,
  prefix: "",
  fits: () => true,
  placeOf: (path) => path,
  isTransposed: () => false,
  fromConfig: (json, path) => parseConfig(parsed(File, json, path).config, path),
  toConfig: (config) => ({ model_type: OWN_TYPE, config: saveConfig(config) }),
};
