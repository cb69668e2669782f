import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "@jest/globals";
import { scratchFolder } from "@tessera/testing";
import { exportModel, readModelConfig } from "./index.js";
import { digestModel, GPT2 } from "./programs/change_model.js";

const at = scratchFolder("export");

test("an export replaces the one before, in one file or in several, with what is added to it", () => {
  const to = at("model");
  mkdirSync(to);
  writeFileSync(join(to, "metrics.jsonl"), "");
  const addFiles = (folder: string): void => writeFileSync(join(folder, "tokenizer.json"), "{}");
  const beside = ["config.json", "generation_config.json", "metrics.jsonl", "tokenizer.json"];
  for (const maxShardBytes of [Infinity, 200_000, 400_000, Infinity]) {
    exportModel(GPT2, to, { maxShardBytes, addFiles });
    const weights = readdirSync(to).filter((name) => !beside.includes(name));
    expect(readdirSync(to)).toEqual(expect.arrayContaining(beside));
    if (maxShardBytes === Infinity) {
      expect(weights).toEqual(["model.safetensors"]);
    } else {
      expect(weights).toContain("model.safetensors.index.json");
      const count = weights.length - 1;
      expect(weights).toContain(`model-00001-of-${String(count).padStart(5, "0")}.safetensors`);
    }
    expect(digestModel(to)).toEqual(digestModel(GPT2));
    expect(readModelConfig(to)).toEqual(readModelConfig(GPT2));
  }
});
