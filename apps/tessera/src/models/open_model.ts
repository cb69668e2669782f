// The model that the flags name, on the engine that they name.

import { existsSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { openModel, readModelConfig, readOpenModel, type OpenModel } from "@tessera/checkpoint";
import { mergeLora, withAdapter } from "@tessera/checkpoint/adapters";
import {
  findUnfollowedSettings,
  readSpecialTokenIds,
  specialTokensOf,
} from "@tessera/checkpoint/specials";
import { choice, number, text, toggle, UserError, type FlagValues } from "@tessera/config";
import {
  backendNames,
  chooseBackend,
  defaultBackend,
  explainFallback,
  threadsOf,
} from "@tessera/engines";
import { modelEngine, onnxEngine, type Engine, type ModelTokenizer } from "@tessera/generation";
import { onnxDevices } from "@tessera/generation/onnx";
import { storeWeights, weightStorages } from "@tessera/generation/weights";
import { gpt, type GptConfig } from "@tessera/gpt";
import type { ThreadEnvironment } from "@tessera/kernels-native";
import { hasTokenizer, openTokenizer, type OpenOptions, type Tokenizer } from "@tessera/tokenizer";
import { tiktokenPattern } from "@tessera/tokenizer/flags";

const engines = ["onnx", ...backendNames] as const;

export const modelFlags = {
  model: text("folder of the model: ONNX, Hugging Face's layout, or a checkpoint", "FOLDER"),
  adapter: text("low-rank adapters of it, as PEFT saves them; they are merged into it", "FOLDER"),
  engine: choice(
    "onnx where the folder has model.onnx, else native, or wasm where that is not built",
    engines,
  ),
  device: choice(
    "with onnx: ONNX Runtime's execution provider, if installed (default: cpu)",
    onnxDevices,
  ),
  weights: choice(
    "with native: how weights are stored; fewer bytes decode faster (default: fp32)",
    weightStorages,
  ),
  tokenizer: text("gpt2, bytes, or a file or folder (default: the model's own)", "NAME"),
  "tiktoken-pattern": tiktokenPattern,
  "add-special-tokens": toggle(
    "put the tokenizer's special tokens around a prompt, as that which begins a text",
    true,
  ),
  "split-special-tokens": toggle("take special tokens in a prompt as plain text", false),
  context: number("tokens that a text keeps in view", { min: 2, max: 2 ** 20, whole: true }, 2048),
};

/** Names that Hugging Face, vLLM and llama.cpp have for the same. */
export const modelAliases = {
  model_name_or_path: "model",
  tokenizer_name: "tokenizer",
  max_model_len: "context",
  ctx_size: "context",
} as const;

export type ModelFlags = FlagValues<{ readonly Model: typeof modelFlags }>;

export interface OpenedModel {
  readonly engine: Engine;
  readonly tokenizer: ModelTokenizer;
  /** The folder's own name. */
  readonly folder: string;
}

/**
 * Opens a model and its tokenizer for `rows` texts at once.
 * @throws UserError where they do not fit each other.
 */
export async function openForText(
  flags: ModelFlags,
  rows: number,
  environment: ThreadEnvironment,
): Promise<OpenedModel> {
  const { model: folder, context: maxTokens } = flags;
  if (folder === undefined) throw new UserError("--model: name the folder that has the model");
  const config = readModelConfig(folder);
  const tokenizer = openModelTokenizer(folder, flags, config);
  const unfollowed = findUnfollowedSettings(folder);
  if (unfollowed.length > 0) {
    process.stderr.write(
      `${join(folder, "generation_config.json")}: not followed: ${unfollowed.join(", ")}\n`,
    );
  }
  const engine = await openEngine(folder, config, { ...flags, rows, maxTokens }, environment);
  return { engine, tokenizer, folder };
}

interface EngineChoice extends Pick<ModelFlags, "adapter" | "engine" | "device" | "weights"> {
  readonly rows: number;
  readonly maxTokens: number;
}

async function openEngine(
  folder: string,
  config: GptConfig,
  { adapter, engine, device, weights, ...sizes }: EngineChoice,
  environment: ThreadEnvironment,
): Promise<Engine> {
  const hasOnnx = existsSync(join(folder, "model.onnx"));
  const name = engine ?? (hasOnnx ? "onnx" : defaultBackend(environment));
  if (weights !== undefined && name !== "native") {
    throw new UserError(
      `--weights ${weights}: is for --engine native, and here ${name} computes: leave it away; ` +
        "an ONNX model has the storage that tessera convert --precision gave it",
    );
  }
  if (name === "onnx") {
    refuseOnnxAdapter(adapter);
    const threads = threadsOf(environment);
    const opened = await onnxEngine(folder, config, {
      ...sizes,
      threads,
      ...(device && { device }),
    });
    process.stderr.write(`onnx computes on ${opened.computesOn}\n`);
    return opened;
  }
  if (device !== undefined) {
    throw new UserError(
      `--device ${device}: is for --engine onnx, and here ${name} computes: leave it away, or ` +
        "make an ONNX model with tessera convert --to onnx",
    );
  }
  await chooseBackend(name, environment, "--engine");
  for (const line of explainFallback(name)) process.stderr.write(`${line}\n`);
  const opened = openMerged(folder, adapter);
  const model = gpt(opened.config);
  const params = storeWeights(readOpenModel(opened), model.spec, weights ?? "fp32");
  return modelEngine(model, params, { ...config, ...sizes });
}

/**
 * The model in `folder`, with its adapters, or those in the folder `adapter`, merged into it.
 * @throws UserError where they are damaged, or do not fit each other.
 */
export function openMerged(folder: string, adapter: string | undefined): OpenModel {
  const model = openModel(folder);
  try {
    return mergeLora(adapter === undefined ? model : withAdapter(model, adapter));
  } catch (error) {
    model.close();
    throw error;
  }
}

function refuseOnnxAdapter(adapter: string | undefined): void {
  if (adapter === undefined) return;
  throw new UserError(
    `--adapter ${adapter}: is not for --engine onnx: merge it, by tessera convert --to onnx --adapter, or choose another engine`,
  );
}

/**
 * The tokenizer `name`.
 * @throws UserError where it has ids that a model of `config` lacks.
 */
export function openFittingTokenizer(
  name: string,
  config: GptConfig,
  options: OpenOptions,
): Tokenizer {
  const tokenizer = openTokenizer(name, options);
  if (tokenizer.vocabularySize <= config.vocabularySize) return tokenizer;
  throw new UserError(
    `tokenizer ${tokenizer.name} has ${tokenizer.vocabularySize} ids, the model ${config.vocabularySize}: ` +
      "name the one that it was trained with",
  );
}

/** The folder with the tokenizer of the model in `folder`: that, or of the run whose checkpoint it is. */
export function tokenizerFolder(folder: string): string | undefined {
  const whole = resolve(folder);
  const isCheckpoint = /^checkpoint-\d+$/.test(basename(whole));
  return [folder, ...(isCheckpoint ? [dirname(whole)] : [])].find(hasTokenizer);
}

function openModelTokenizer(
  folder: string,
  flags: Omit<ModelFlags, "model" | "adapter" | "engine" | "device" | "weights">,
  config: GptConfig,
): ModelTokenizer {
  const home = tokenizerFolder(folder);
  const name = flags.tokenizer ?? home;
  if (name === undefined) {
    throw new UserError(
      `${folder}: has no tokenizer.json; give --tokenizer gpt2, bytes, or its file`,
    );
  }
  const pattern = flags["tiktoken-pattern"];
  const tokenizer = openFittingTokenizer(name, config, { pattern });
  const own = specialTokensOf(tokenizer);
  return {
    ...tokenizer,
    specials: readSpecialTokenIds(home ?? folder, config.vocabularySize, own),
    encoding: {
      addSpecialTokens: flags["add-special-tokens"],
      splitSpecialTokens: flags["split-special-tokens"],
    },
  };
}
