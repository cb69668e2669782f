// Models that no family of Hugging Face fits: tensors have the names and shapes of parameters.

import { parseConfig, saveConfig } from "@tessera/gpt";
import * as v from "valibot";
import type { HfFamily } from "./family.js";
import { parse } from "./fields.js";

const MODEL_TYPE = "tessera-gpt";

const File = v.object({ config: v.unknown() });

export const ownFamily: HfFamily = {
  modelType: MODEL_TYPE,
  prefix: "",
  obeys: [],
  mismatches: () => [],
  nameOf: (path) => path,
  isTransposed: () => false,
  isBuffer: () => false,
  tiedHead: null,
  fromConfig: (json, path) => parseConfig(parse(File, json, path).config, path),
  toConfig: (config) => ({ model_type: MODEL_TYPE, config: saveConfig(config) }),
};
