// Adapters as PEFT saves them.

import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { openModel } from "@tessera/checkpoint";
import { mergeLora, withAdapter } from "@tessera/checkpoint/adapters";
import { gpt } from "@tessera/gpt";
import { leaves, type ParamSpec } from "@tessera/params";
import { mutate, mutateJson } from "@tessera/testing";
import type { Target } from "./series.js";

const FIXTURES = join(__dirname, "../../../../../fixtures/hugging-face");
const BASE = join(FIXTURES, "families/llama3.1");
const ADAPTER = join(FIXTURES, "adapters/llama3.1");

const WORDS = [
  ...["[", "]", "{", "}", '"', ",", ":", "-1", "1e99", "0", "9007199254740993", "null", "true"],
  ...["__proto__", "constructor", "use_dora", "all", "q_proj", "lora_A", "F16", "DORA", "3"],
];

export function adapterFolder(folder: string): Target {
  const adapter = join(folder, "adapter");
  mkdirSync(adapter);
  const config: unknown = JSON.parse(readFileSync(join(ADAPTER, "adapter_config.json"), "utf8"));
  const weights = readFileSync(join(ADAPTER, "adapter_model.safetensors"));
  const head = 8 + Number(weights.readBigUInt64LE());
  return {
    name: "an adapter's folder",
    share: 4,
    read(draw) {
      const isConfig = draw() < 0.5;
      const json = isConfig ? mutateJson(config, draw, WORDS) : JSON.stringify(config);
      writeFileSync(join(adapter, "adapter_config.json"), json);
      const bytes = isConfig ? weights : mutate(weights, draw, { head, words: WORDS });
      writeFileSync(join(adapter, "adapter_model.safetensors"), bytes);
      readMerged(adapter);
    },
  };
}

function readMerged(adapter: string): void {
  let model = openModel(BASE);
  try {
    model = withAdapter(model, adapter);
    const merged = mergeLora(model);
    for (const [path, { shape }] of leaves<ParamSpec>(gpt(merged.config).spec)) {
      const size = shape.reduce((a, b) => a * b, 1);
      if (merged.valuesAt(path).length !== size) throw new Error(`${path}: has another size`);
    }
  } finally {
    model.close();
  }
}
