// The GPT family of models: a transformer whose parts follow from a `GptConfig`.

import { dropout, embedding, type NoParams } from "@tessera/layers";
import type { LmHeadParams, EmbeddingParams, TokenParams } from "@tessera/layers/parallel";
import {
  freeze,
  fullModel,
  transformer,
  type FullModel,
  type Model,
  type ModelFamily,
  type ModelOptions,
} from "@tessera/model";
import { block, createNorm, type BlockParams, type NormParams } from "./block.js";
import { atLayer, gptConfig, type GptConfig } from "./config.js";
import { parseConfig, saveConfig } from "./config_codec.js";
import { isLoraPath } from "./lora.js";
import { narrowConfig } from "./narrow.js";

/** The parameters of a GPT, or of a chunk of one: see `TransformerParams`. */
export type GptParams = {
  readonly embedding: EmbeddingParams | TokenParams | NoParams;
  readonly drop: NoParams;
  readonly blocks: Readonly<Record<string, BlockParams>>;
  readonly norm: NormParams | NoParams;
  readonly head: LmHeadParams | NoParams;
};

/** GPT-2, GPT-J, Llama and their like, as checkpoints name them: "gpt". */
export const gptFamily: ModelFamily<GptParams> = {
  name: "gpt",
  fromConfig: (config, where) => gptModel(parseConfig(config, where)),
};

/** The model of a configuration, for `parallelize` and training. */
export function gptModel(config: GptConfig): Model<GptParams> {
  const { vocabularySize: vocabulary, hiddenSize: width, initStd: std } = config;
  const positions = config.positions.kind === "learned" ? config.maxPositions : null;
  const about = {
    family: gptFamily,
    config: saveConfig(config),
    identity: describeIdentity(config),
    settings: describeSettings(config),
    layerCount: config.layerCount,
    hiddenSize: width,
    narrow(positions: number) {
      const narrow = narrowConfig(config, positions);
      return { model: gptModel(narrow), vocabularySize: narrow.vocabularySize };
    },
  };
  const model = transformer<GptParams>(about, {
    embedding: (parallel) => embedding({ vocabulary, positions, width, std }, parallel),
    drop: ({ tokenShard }) => dropout(config.dropout.embedding, tokenShard),
    block: (parallel, recompute, layer) => block(atLayer(config, layer), parallel, recompute),
    norm: () => createNorm(config),
    head: (parallel) => parallel.lmHead({ vocabulary, width, std, bias: config.biases.head }),
    isTied: config.tiedEmbeddings,
  });
  return config.lora === undefined ? model : freeze(model, (path) => !isLoraPath(path));
}

/** All fields by name. Dropout is left out, as it may change between runs. */
const describeIdentity = ({ dropout: _dropout, lora, ...config }: GptConfig): Model["identity"] =>
  Object.fromEntries([...flatten(config, ""), ...describeLora(lora)]);

/** What LoRA computes: its targets by name, so that an order of them is no difference. */
function describeLora(lora: GptConfig["lora"]): readonly (readonly [string, string])[] {
  if (lora === undefined) return [["lora", "none"]];
  const { dropout: _dropout, targets, ...sizes } = lora;
  return [...flatten(sizes, "lora."), ["lora", [...targets].sort().join(" ")]];
}

/** "positions.scaling.factor", "8". */
const flatten = (fields: object, prefix: string): readonly (readonly [string, string])[] =>
  Object.entries(fields).flatMap(([name, value]: [string, unknown]) =>
    typeof value === "object" && value !== null
      ? flatten(value, `${prefix}${name}.`)
      : [[`${prefix}${name}`, String(value)] as const],
  );

const describeSettings = ({ dropout, lora }: GptConfig): Readonly<Record<string, string>> =>
  Object.fromEntries(
    Object.entries({ ...dropout, ...(lora && { lora: lora.dropout }) }).map(
      ([where, probability]) => [`dropout.${where}`, String(probability)],
    ),
  );

/** A GPT on one rank, with its configuration. */
export interface Gpt extends FullModel<GptParams> {
  readonly config: GptConfig;
}

/** All layers of a GPT on one rank: full ones, or its shards of them under tensor parallelism. */
export const gpt = (config: GptConfig, options: ModelOptions = {}): Gpt => ({
  ...fullModel(gptModel(config), options),
  config: gptConfig(config),
});
