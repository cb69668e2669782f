// The model that the flags name, on the engine that they name.

import { existsSync } from "node:fs";
import { join } from "node:path";
import { readModel, readModelConfig } from "@tessera/checkpoint";
import { choice, number, text, UserError, type FlagValues } from "@tessera/config";
import { backendNames, chooseBackend, defaultBackend } from "@tessera/engines";
import { modelEngine, onnxEngine, type Engine } from "@tessera/generation";
import { gpt, type GptConfig } from "@tessera/gpt";
import { threadCount, type ThreadEnvironment } from "@tessera/kernels-native";
import { openTokenizer, type Tokenizer } from "@tessera/tokenizer";
import { availableParallelism } from "node:os";

const engines = ["onnx", ...backendNames] as const;

export const modelFlags = {
  model: text("folder of the model: ONNX, Hugging Face's layout, or a checkpoint", "FOLDER"),
  engine: choice(
    "onnx where the folder has model.onnx, else native, or wasm where that is not built",
    engines,
  ),
  tokenizer: text("gpt2, bytes, or a file or folder (default: the model's own)", "NAME"),
  context: number("tokens that a text keeps in view", { min: 2, max: 2 ** 20, whole: true }, 2048),
};

export type ModelFlags = FlagValues<{ readonly Model: typeof modelFlags }>;

export interface OpenedModel {
  readonly engine: Engine;
  readonly tokenizer: Tokenizer;
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
  const tokenizer = openModelTokenizer(folder, flags.tokenizer, config);
  const hasOnnx = existsSync(join(folder, "model.onnx"));
  const name = flags.engine ?? (hasOnnx ? "onnx" : defaultBackend());
  if (name === "onnx") {
    const threads = threadCount(environment, availableParallelism());
    const engine = await onnxEngine(folder, config, { rows, maxTokens, threads });
    return { engine, tokenizer, folder };
  }
  await chooseBackend(name, environment, "--engine");
  const engine = modelEngine(gpt(config), readModel(folder, config), {
    ...config,
    rows,
    maxTokens,
  });
  return { engine, tokenizer, folder };
}

/** Files of a tokenizer in a model's folder. */
export const TOKENIZER_FILES = [
  "tokenizer.json",
  "vocab.json",
  "merges.txt",
  "tokenizer_config.json",
  "special_tokens_map.json",
] as const;

export const hasTokenizer = (folder: string): boolean =>
  ["tokenizer.json", "vocab.json"].some((name) => existsSync(join(folder, name)));

function openModelTokenizer(
  folder: string,
  named: string | undefined,
  config: GptConfig,
): Tokenizer {
  if (named === undefined && !hasTokenizer(folder)) {
    throw new UserError(
      `${folder}: has no tokenizer.json; give --tokenizer gpt2, bytes, or its file`,
    );
  }
  const tokenizer = openTokenizer(named ?? folder);
  if (tokenizer.vocabularySize > config.vocabularySize) {
    throw new UserError(
      `tokenizer ${tokenizer.name} has ${tokenizer.vocabularySize} ids, the model ${config.vocabularySize}: ` +
        "name the one that it was trained with",
    );
  }
  return tokenizer;
}
