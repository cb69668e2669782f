// Adapters of a GPT: which there are, what they cost, and how they are written down.

import "@tensorflow/tfjs-backend-cpu";
import { expect, test } from "@jest/globals";
import { freezeMatching, fullModel } from "@tessera/model";
import { leaves, type ParamSpec } from "@tessera/params";
import {
  gptConfig,
  gptFamily,
  gptModel,
  parameterCount,
  parseConfig,
  saveConfig,
  trainingFlopsPerToken,
} from "./index.js";
import { isLoraPath, loraConfig, loraScale, withoutLora, type LoraRequest } from "./lora.js";

const sizes = { layerCount: 2, hiddenSize: 12, headCount: 3, kvHeadCount: 1, vocabularySize: 17 };
const base = gptConfig({ ...sizes, activation: "swiglu", tiedEmbeddings: false });
const adapted = (request: LoraRequest) => ({
  ...base,
  lora: loraConfig(request, base.activation),
});

test("all but adapters is frozen, and there are those that are asked for, by either name", () => {
  const config = adapted({ rank: 2, targets: ["v_proj", "up"] });
  expect(config.lora.targets).toEqual(["value", "up"]);
  const { spec } = fullModel(gptModel(config));
  const trained = leaves<ParamSpec>(spec).filter(([, { isFrozen }]) => isFrozen !== true);
  expect(trained.map(([path, { shape }]) => [path, shape])).toEqual(
    ["0", "1"].flatMap((block) => [
      [`blocks.${block}.attention.heads.keyValue.lora.value.a`, [12, 2]],
      [`blocks.${block}.attention.heads.keyValue.lora.value.b`, [2, 4]],
      [`blocks.${block}.mlp.feed.up.lora.up.a`, [12, 2]],
      [`blocks.${block}.mlp.feed.up.lora.up.b`, [2, 48]],
    ]),
  );
  expect(trained.every(([path]) => isLoraPath(path))).toBe(true);
  const all = loraConfig({ rank: 1 }, "gelu");
  expect(all).toMatchObject({ alpha: 1, dropout: 0, rankStabilized: false });
  expect(all.targets).toEqual(["query", "key", "value", "output", "up", "down"]);
});

test("the factor is alpha / rank, or alpha / sqrt(rank)", () => {
  const lora = loraConfig({ rank: 4, alpha: 6 }, "gelu");
  expect([lora, { ...lora, rankStabilized: true }].map(loraScale)).toEqual([1.5, 3]);
});

test("a configuration is read as it was saved, and its identity tells adapters apart", () => {
  const config = adapted({ rank: 2, dropout: 0.1, targets: ["q_proj"] });
  const saved: unknown = JSON.parse(JSON.stringify(saveConfig(config)));
  expect(parseConfig(saved, "index.json")).toEqual(config);
  const { identity, settings } = gptFamily.fromConfig(saved, "index.json");
  expect(identity).toMatchObject({ lora: "query", "lora.rank": "2" });
  expect(settings).toMatchObject({ "dropout.lora": "0.1" });
  expect(gptModel(base).identity).toMatchObject({ lora: "none" });
  expect(withoutLora(config)).toEqual(base);
});

test("frozen weights have no gradient of their own in the number of operations", () => {
  const full = trainingFlopsPerToken(base, 1);
  const config = adapted({ rank: 2 });
  const added = parameterCount(config) - parameterCount(base);
  const attention = 6 * 2 * 2 * 12;
  const products = full - attention;
  expect(trainingFlopsPerToken(config, 1)).toBeCloseTo((2 / 3) * products + 6 * added + attention);
  const frozen = fullModel(freezeMatching(gptModel(base), ["head.*"]));
  expect(full - trainingFlopsPerToken(base, 1, frozen.spec)).toBe(2 * 17 * 12);
});

test.each<[LoraRequest, string]>([
  [{ rank: 0 }, "the rank of LoRA is 0, must be a whole number of at least 1"],
  [{ rank: 1, alpha: 0 }, "the alpha of LoRA is 0, must be above 0"],
  [{ rank: 1, dropout: 1 }, "the dropout of LoRA is 1, must be at least 0 and below 1"],
  [
    { rank: 1, targets: ["gate_proj"] },
    "LoRA targets gate_proj, which this model has not: choose some of query, key",
  ],
  [{ rank: 1, targets: [] }, "LoRA targets no linear layer: choose some of query"],
])("%j is refused", (request, said) => {
  expect(() => loraConfig(request, "gelu")).toThrow(said);
});
