// Models that no layout of Hugging Face's has a place for, under the names of their own parameters.

import { gptConfig, type GptConfig } from "@tessera/gpt";
import * as v from "valibot";
import { layers, parsed, positive, rate, size, type Layout } from "./hugging_face/layout.js";

const OWN_TYPE = "tessera-gpt";

const Positions = v.variant("kind", [
  v.object({ kind: v.picklist(["learned", "none"]) }),
  v.object({
    kind: v.literal("rotary"),
    base: positive,
    share: rate,
    pairs: v.picklist(["halves", "neighbours"]),
  }),
]);

/** A `GptConfig`, key for key. */
export const Config = v.object({
  layerCount: layers,
  hiddenSize: size,
  headCount: size,
  keyHeadCount: size,
  innerSize: size,
  vocabularySize: size,
  maxPositions: size,
  dropout: v.object({ embedding: rate, attention: rate, residual: rate }),
  positions: Positions,
  activation: v.picklist(["gelu", "swiglu"]),
  norm: v.picklist(["layer", "rms"]),
  normEpsilon: positive,
  parallelBlock: v.boolean(),
  biases: v.object({ attention: v.boolean(), mlp: v.boolean(), head: v.boolean() }),
  tiedEmbeddings: v.boolean(),
  initDeviation: v.number(),
}) satisfies v.GenericSchema<unknown, GptConfig>;

const File = v.object({ model_type: v.literal(OWN_TYPE), config: Config });

/** Every model fits: tensors have the names and shapes of parameters. */
export const ownLayout: Layout = {
  modelType: OWN_TYPE,
  prefix: "",
  fits: () => true,
  placeOf: (path) => path,
  isTransposed: () => false,
  fromConfig: (json, path) => gptConfig(parsed(File, json, path).config),
  toConfig: (config) => ({ model_type: OWN_TYPE, config }),
};
