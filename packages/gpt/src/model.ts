// The GPT family: what a configuration makes of the parts of a transformer. Tensor parallelism says what ranks
// share, and the tree of parameters what each of them holds.

import {
  dropout,
  embedding,
  type EmbeddingParams,
  type NoParams,
  type TokenParams,
} from "@tessera/layers";
import type { LmHeadParams } from "@tessera/layers/parallel";
import {
  fullModel,
  transformer,
  type FullModel,
  type Model,
  type ModelFamily,
  type ModelOptions,
} from "@tessera/model";
import { block, createNorm, type BlockParams, type NormParams } from "./block.js";
import { gptConfig, type GptConfig } from "./config.js";
import { parseConfig, saveConfig } from "./config_codec.js";

/** The parameters of a GPT, or of a chunk of one: see `TransformerParams`. */
export type GptParams = {
  readonly embedding: EmbeddingParams | TokenParams | NoParams;
  readonly drop: NoParams;
  readonly blocks: Readonly<Record<string, BlockParams>>;
  readonly norm: NormParams | NoParams;
  readonly head: LmHeadParams | NoParams;
};

/** GPT-2, GPT-J, Llama and what lies between them. */
export const gptFamily: ModelFamily<GptParams> = {
  name: "gpt",
  fromConfig: (config, where) => gptModel(parseConfig(config, where)),
};

/** The model of a configuration, for `parallelize` and all that trains. */
export function gptModel(config: GptConfig): Model<GptParams> {
  const { vocabularySize: vocabulary, hiddenSize: width, initStd: std } = config;
  const positions = config.positions.kind === "learned" ? config.maxPositions : null;
  const about = {
    family: gptFamily,
    config: saveConfig(config),
    identity: identityOf(config),
    layerCount: config.layerCount,
    hiddenSize: width,
  };
  return transformer<GptParams>(about, {
    embedding: (parallel) => embedding({ vocabulary, positions, width, std }, parallel),
    drop: ({ tokenShard }) => dropout(config.dropout.embedding, tokenShard),
    block: (parallel, recompute) => block(config, parallel, recompute),
    norm: () => createNorm(config),
    head: (parallel) => parallel.lmHead({ vocabulary, width, std, bias: config.biases.head }),
    isTied: config.tiedEmbeddings,
  });
}

/** All that decides which parameters a GPT has and what it makes of them: dropout may change between runs. */
function identityOf({ dropout: _dropout, ...config }: GptConfig): Model["identity"] {
  return Object.fromEntries(
    Object.entries(config).flatMap(([name, value]) =>
      typeof value === "object"
        ? Object.entries(value).map(([key, part]) => [`${name}.${key}`, String(part)])
        : [[name, String(value)]],
    ),
  );
}

export interface Gpt extends FullModel<GptParams> {
  readonly config: GptConfig;
}

/** A whole GPT on one rank, or its share of one under tensor parallelism. */
export const gpt = (config: GptConfig, options: ModelOptions = {}): Gpt => ({
  ...fullModel(gptModel(config), options),
  config: gptConfig(config),
});
