// Writes adapters in PEFT's form.

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { UserError } from "@tessera/config";
import { stageFolder, writeError } from "@tessera/files";
import { gpt, type GptConfig } from "@tessera/gpt";
import { isLoraPath } from "@tessera/gpt/lora";
import { leaves, type ParamSpec } from "@tessera/params";
import { transpose } from "../hugging_face/columns.js";
import { openModel, type OpenModel } from "../hugging_face/open_model.js";
import { writeSafetensors } from "../safetensors_writer.js";
import { formatAdapterConfig } from "./adapter_config.js";
import { ADAPTER_CONFIG, ADAPTER_WEIGHTS } from "./adapted_model.js";
import { loraMatrices, targetModules } from "./adapter_names.js";

/**
 * Writes the adapters of `model` into `folder`, in fp32. `base`: where the model without them is, for who reads it.
 * @throws UserError where the model has none, or PEFT's files have no place for them, or they cannot be written.
 */
export function writeAdapter(folder: string, model: OpenModel, base: string | null): void {
  const { lora } = model.config;
  checkAdapterFiles(model.config);
  if (lora === undefined) return;
  const matrices = loraMatrices(model.config);
  const modules = targetModules(model.config, matrices);
  const isTransposed = matrices.every((matrix) => matrix.isTransposed);
  const json = formatAdapterConfig(lora, modules, { base, isTransposed });
  const path = join(folder, ADAPTER_CONFIG);
  try {
    writeFileSync(path, `${JSON.stringify(json, null, 2)}\n`);
  } catch (error) {
    throw writeError(path, error);
  }
  const tensors = matrices.map(({ path, shape: [rows, columns], tensor }) => ({
    name: tensor,
    shape: [columns, rows],
    values: () => transpose(model.valuesAt(path), rows, columns),
  }));
  tensors.sort((a, b) => (a.name < b.name ? -1 : 1));
  writeSafetensors(join(folder, ADAPTER_WEIGHTS), tensors, { format: "pt" });
}

/**
 * Checks that the adapters of a model of `config` can be written.
 * @throws UserError where it has none, or PEFT's files have no place for them.
 */
export function checkAdapterFiles(config: GptConfig): void {
  if (config.lora === undefined) {
    throw new UserError("the model has no adapters to be written: all of it is trained");
  }
  const named = new Set(loraMatrices(config).map(({ path }) => path));
  const fused = leaves<ParamSpec>(gpt(config).spec).find(
    ([path]) => isLoraPath(path) && !named.has(path),
  );
  if (fused === undefined) return;
  throw new UserError(
    `${fused[0]}: adapts a part of a linear layer that is one in files, as GPT-2's queries, keys and values are, and ` +
      "PEFT's files have no place for that; merge it into the model with tessera convert",
  );
}

/**
 * Writes the adapters of the checkpoint `from` into the folder `to`, once all of them are complete. `base`: where the
 * model without them is, for who reads it.
 * @throws UserError where it has none, or they cannot be written.
 */
export function exportAdapter(from: string, to: string, base: string | null): void {
  const model = openModel(from);
  try {
    const staged = stageFolder(to);
    try {
      writeAdapter(staged.path, model, base);
      staged.commit();
    } finally {
      staged.abort();
    }
  } finally {
    model.close();
  }
}
