// What makes of a folder another model than its config.json and weights say, or says it in a form that is not read.
// `transformers` would obey it; here it is refused by its name.

import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { UserError } from "@tessera/config";
import { readJson } from "@tessera/files";
import { MODEL_FILE, MODEL_INDEX } from "./stored_weights.js";

const ADAPTER = "adapter_config.json";
const MAX_BYTES = 2 ** 20;

/** Names of the files of Megatron-DeepSpeed, and of plain PyTorch. */
const MEGATRON =
  /^(mp_rank_\d+.*|global_step\d+|iter_\d+|layer_\d+.*\.pt|latest_checkpointed_iteration\.txt)$/;
const PICKLES = /^(pytorch_model.*\.bin(\.index\.json)?|.*\.(pt|pth|ckpt))$/;
const OTHER_WEIGHTS = /\.(safetensors|gguf|ggml|h5|msgpack|npz|onnx)$/;

const PICKLE_REASON =
  "which are pickled Python objects: reading them means running what they say; " +
  "save the model as safetensors in Hugging Face's layout where you trust it, and convert that";

const namesIn = (folder: string): readonly string[] =>
  existsSync(folder) ? readdirSync(folder) : [];

/** @throws UserError that says what a folder without config.json is, where it can be told. */
export function refuseForeign(folder: string): void {
  refuseAdapter(folder);
  const found = namesIn(folder).find((name) => MEGATRON.test(name));
  if (found !== undefined) {
    throw new UserError(
      `${folder}: is a checkpoint of Megatron-DeepSpeed (${found}), whose weights lie in .pt files, ${PICKLE_REASON}`,
    );
  }
  refuseOtherWeights(folder);
}

/** @throws UserError where the weights in `folder` are none that are read. */
export function refuseOtherWeights(folder: string): void {
  const names = namesIn(folder);
  if (names.includes(MODEL_FILE) || names.includes(MODEL_INDEX)) return;
  const pickle = names.find((name) => PICKLES.test(name));
  if (pickle !== undefined) {
    throw new UserError(`${folder}: has its weights in files like ${pickle}, ${PICKLE_REASON}`);
  }
  const other = names.find((name) => OTHER_WEIGHTS.test(name));
  if (other === undefined) return;
  throw new UserError(
    `${folder}: has neither ${MODEL_FILE} nor ${MODEL_INDEX}, and ${other} is not read; ` +
      "save the model with save_pretrained of transformers",
  );
}

/** @throws UserError where `folder` changes a model that lies elsewhere. */
export function refuseAdapter(folder: string): void {
  const path = join(folder, ADAPTER);
  if (!existsSync(path)) return;
  const json = readJson(path, MAX_BYTES) as { readonly base_model_name_or_path?: unknown } | null;
  const base = json?.base_model_name_or_path;
  const of = typeof base === "string" ? ` of ${base}` : "";
  throw new UserError(
    `${folder}: is an adapter${of} (${ADAPTER}), and no model; ` +
      "name its model, and the adapter by --adapter, or merge them with tessera convert",
  );
}

type Json = Readonly<Record<string, unknown>>;

const isAbsent = (value: unknown): boolean => value === null || value === undefined;
const isOff = (value: unknown): boolean => isAbsent(value) || value === false;
/** 1 leaves numbers as they are. */
const isOne = (value: unknown): boolean => isAbsent(value) || value === 1;

/** Keys of config.json that change numbers in some family, and when they do not. Families say which of them they obey. */
const UNSUPPORTED: Readonly<Record<string, (value: unknown, json: Json) => boolean>> = {
  sliding_window: (value, json) =>
    isAbsent(value) ||
    json["use_sliding_window"] === false ||
    Number(value) >= Number(json["max_position_embeddings"]),
  layer_types: (value) =>
    isAbsent(value) || (Array.isArray(value) && value.every((type) => type === "full_attention")),
  attn_logit_softcapping: isAbsent,
  final_logit_softcapping: isAbsent,
  query_pre_attn_scalar: isAbsent,
  is_encoder_decoder: isOff,
  add_cross_attention: isOff,
  use_qk_norm: isOff,
  clip_qkv: isAbsent,
  logit_scale: isOne,
  logits_scaling: isOne,
  embedding_multiplier: isOne,
  residual_multiplier: isOne,
  attention_multiplier: isAbsent,
  transformers_weights: isAbsent,
};

/** @throws UserError where config.json at `path` asks for what a family that obeys the keys `obeyed` does not. */
export function refuseUnsupported(json: Json, path: string, obeyed: readonly string[]): void {
  const { quantization_config: quantized, auto_map: map } = json;
  if (!isAbsent(quantized)) {
    const method = (quantized as Json)["quant_method"];
    const how = typeof method === "string" ? ` (quant_method is ${method})` : "";
    throw new UserError(
      `${path}: quantization_config${how}: quantized weights are not read; save the model without`,
    );
  }
  const code = Object.keys(map ?? {}).filter((name) => /^Auto(Config|Model)/.test(name));
  if (code.length > 0) {
    throw new UserError(
      `${path}: auto_map: the model has code of its own (${code.join(", ")}), which is never run`,
    );
  }
  for (const [key, leavesNumbers] of Object.entries(UNSUPPORTED)) {
    if (obeyed.includes(key) || leavesNumbers(json[key], json)) continue;
    const value = JSON.stringify(json[key]).slice(0, 60);
    throw new UserError(`${path}: ${key} is ${value}, which is not supported`);
  }
}
