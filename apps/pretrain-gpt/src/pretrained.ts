// The model of a run: as flags describe it, or that of a folder whose weights the run starts from.

import { existsSync } from "node:fs";
import { join } from "node:path";
import { findCheckpoint, readModelConfig, readProgress } from "@tessera/checkpoint";
import { UserError } from "@tessera/config";
import type { GptConfig } from "@tessera/gpt";
import { modelFlags, type Flags } from "./flags.js";
import { dropoutOf, modelOf, needed } from "./model.js";

const POSITIONS = { learned: "learned_absolute", rotary: "rope", none: "none" } as const;

const rotaryOf = ({ positions }: GptConfig) => (positions.kind === "rotary" ? positions : null);

function linearFactorOf(config: GptConfig): number {
  const scaling = rotaryOf(config)?.scaling;
  return scaling?.kind === "linear" ? scaling.factor : 1;
}

/** The value that each flag of the model would need to describe `config`. */
const describeFlags = (config: GptConfig) => ({
  "num-layers": config.layerCount,
  "hidden-size": config.hiddenSize,
  "ffn-hidden-size": config.ffnHiddenSize,
  "num-attention-heads": config.headCount,
  "kv-channels": config.headSize,
  "group-query-attention": config.kvHeadCount < config.headCount,
  "num-query-groups": config.kvHeadCount,
  "max-position-embeddings": config.maxPositions,
  "position-embedding-type": POSITIONS[config.positions.kind],
  "use-rotary-position-embeddings": config.positions.kind === "rotary",
  "rotary-percent": rotaryOf(config)?.fraction,
  "rotary-base": rotaryOf(config)?.base,
  "use-rope-scaling": rotaryOf(config)?.scaling?.kind === "llama3",
  "rope-scaling-factor": rotaryOf(config)?.scaling?.factor,
  "rotary-seq-len-interpolation-factor": linearFactorOf(config),
  normalization: config.norm === "rms" ? "RMSNorm" : "LayerNorm",
  "layernorm-epsilon": config.normEpsilon,
  "qk-layernorm": config.qkNorm,
  swiglu: config.activation === "swiglu",
  // SwiGLU is neither, and neither is then said in vain.
  "openai-gelu": config.activation !== "gelu_erf",
  "no-bias-gelu-fusion": config.activation !== "gelu",
  "disable-bias-linear": !(config.biases.attention === true || config.biases.mlp),
  "add-qkv-bias": config.biases.attention !== false,
  "untie-embeddings-and-output-weights": !config.tiedEmbeddings,
});

/**
 * What --finetune --load names, where it is a model in Hugging Face's layout, or a checkpoint without adapters that gets
 * some; other checkpoints are resumed in part.
 */
export function modelToFinetune(flags: Flags): string | undefined {
  const { finetune, load, adapter } = flags;
  if (!finetune || load === undefined || flags["pretrained-checkpoint"] !== undefined) {
    return undefined;
  }
  const { kind, path } = findCheckpoint(load);
  if (kind === "model") return load;
  const isAdapted = flags["lora-rank"] !== undefined || adapter !== undefined;
  if (path === undefined || !isAdapted) return undefined;
  return readModelConfig(path).lora === undefined ? path : undefined;
}

/** The folder with the weights that a fresh start begins from; undefined for random ones. */
export function pretrainedFolder(flags: Flags): string | undefined {
  const folder = flags["pretrained-checkpoint"] ?? modelToFinetune(flags);
  if (folder === undefined || existsSync(join(folder, "config.json"))) return folder;
  return findCheckpoint(folder).path ?? folder;
}

/** Sizes that have no default, so that it shows whether they are given. */
const SIZES = [
  "num-layers",
  "hidden-size",
  "ffn-hidden-size",
  "num-attention-heads",
  "kv-channels",
  "max-position-embeddings",
] as const;

/** `flags`, with the sizes of the checkpoint `resume` where they are not given. */
export function withSavedSizes(flags: Flags, resume: string): Flags {
  const saved = describeFlags(readModelConfig(resume));
  const { sequenceLength } = readProgress(resume).identity;
  const missing = SIZES.filter((name) => flags[name] === undefined);
  const isGrouped = flags["num-query-groups"] === undefined && saved["group-query-attention"];
  return {
    ...flags,
    ...Object.fromEntries(missing.map((name) => [name, saved[name]])),
    ...(isGrouped && {
      "group-query-attention": true,
      "num-query-groups": saved["num-query-groups"],
    }),
    ...(typeof sequenceLength === "number" && {
      "seq-length": flags["seq-length"] ?? sequenceLength,
    }),
  };
}

/**
 * The model for `vocabulary` ids, before they are padded. A folder to start from says all of it, so flags need not.
 * @throws UserError where sizes do not fit together, or flags contradict the folder.
 */
export function chooseModel(flags: Flags, vocabulary: number): GptConfig {
  const folder = pretrainedFolder(flags);
  if (folder === undefined) return modelOf(flags, vocabulary);
  const config = readModelConfig(folder);
  for (const [name, value] of Object.entries(describeFlags(config))) {
    const flag = name as keyof typeof modelFlags;
    if (flags[flag] === modelFlags[flag].fallback || flags[flag] === value) continue;
    throw new UserError(
      `--${name} ${flags[flag]}: the model in ${folder} has ${value}; leave the flag out`,
    );
  }
  const length = needed(flags, "seq-length");
  if (length > config.maxPositions) {
    throw new UserError(
      `--seq-length ${length}: the model in ${folder} has ${config.maxPositions} positions; lower it`,
    );
  }
  if (vocabulary > config.vocabularySize) {
    throw new UserError(
      `the tokenizer has ${vocabulary} ids, the model in ${folder} ${config.vocabularySize}: ` +
        "name the one that it was trained with",
    );
  }
  return { ...config, dropout: dropoutOf(flags) };
}
