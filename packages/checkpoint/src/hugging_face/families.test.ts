import { describe, expect, test } from "@jest/globals";
import { gptConfig, noDropout, type GptConfig } from "@tessera/gpt";
import { onnxModel } from "../onnx/onnx_model.js";
import { familyFor, familyOf, whyNotLoadable } from "./families.js";

const sizes = { layerCount: 2, hiddenSize: 64, headCount: 4, vocabularySize: 64, maxPositions: 16 };

const models: Readonly<Record<string, GptConfig>> = {
  gpt2: gptConfig(sizes),
  gptj: gptConfig({
    ...sizes,
    positions: { kind: "rotary", base: 10_000, fraction: 0.25, pairs: "neighbours" },
    parallelBlock: true,
    biases: { attention: false, mlp: true, head: true },
    tiedEmbeddings: false,
  }),
  gpt_neox: gptConfig({
    ...sizes,
    positions: { kind: "rotary", base: 500, fraction: 0.25, pairs: "halves" },
    activation: "gelu_erf",
    parallelBlock: "separate norms",
    tiedEmbeddings: false,
  }),
  llama: gptConfig({
    ...sizes,
    kvHeadCount: 2,
    positions: { kind: "rotary", base: 500, fraction: 1, pairs: "halves" },
    activation: "swiglu",
    norm: "rms",
    biases: { attention: false, mlp: false, head: false },
  }),
  qwen2: gptConfig({
    ...sizes,
    headSize: 24,
    positions: {
      kind: "rotary",
      base: 500,
      fraction: 1,
      pairs: "halves",
      scaling: { kind: "linear", factor: 2 },
    },
    activation: "swiglu",
    norm: "rms",
    biases: { attention: "qkv", mlp: false, head: false },
  }),
  qwen3: gptConfig({
    ...sizes,
    headSize: 24,
    qkNorm: true,
    positions: { kind: "rotary", base: 500, fraction: 1, pairs: "halves" },
    activation: "swiglu",
    norm: "rms",
    biases: { attention: false, mlp: false, head: false },
  }),
  starcoder2: gptConfig({
    ...sizes,
    positions: { kind: "rotary", base: 500, fraction: 1, pairs: "halves" },
  }),
};

/** For each field, another value than the models have; one or two have the same. */
const changes: { readonly [K in keyof GptConfig]: GptConfig[K] } = {
  layerCount: 3,
  hiddenSize: 128,
  headCount: 8,
  kvHeadCount: 1,
  headSize: 32,
  qkNorm: true,
  ffnHiddenSize: 100,
  vocabularySize: 65,
  maxPositions: 17,
  dropout: { ...noDropout, attention: 0.5 },
  positions: { kind: "none" },
  window: { size: 8, layers: [false, true] },
  activation: "swiglu",
  norm: "rms",
  normEpsilon: 0.5,
  parallelBlock: true,
  biases: { attention: true, mlp: false, head: false },
  tiedEmbeddings: false,
  initStd: 0.5,
};

describe.each(Object.entries(models))("%s", (modelType, config) => {
  const isKept = (changed: GptConfig): boolean => {
    const family = familyFor(changed);
    const file: unknown = JSON.parse(JSON.stringify(family.toConfig(changed)));
    expect(familyOf(file, "config.json").fromConfig(file, "config.json")).toEqual(changed);
    return family.modelType === modelType;
  };

  test("says all of its models", () => expect(isKept(config)).toBe(true));

  test.each(Object.entries(changes))("keeps or refuses another %s", (name, value) => {
    const changed = { ...config, [name]: value };
    const isSaid = isKept(changed);
    const file = JSON.stringify(familyFor(changed).toConfig(changed));
    // A family that takes the change says it: in a key that differs.
    if (isSaid && JSON.stringify(changed) !== JSON.stringify(config)) {
      expect(file).not.toBe(JSON.stringify(familyFor(config).toConfig(config)));
    }
  });

  test("refuses a field that it does not know", () => {
    expect(familyFor({ ...config, sinks: 128 } as GptConfig).modelType).toBe("tessera-gpt");
  });
});

test("a model that no family has says what it differs in from the nearest", () => {
  for (const config of Object.values(models)) expect(whyNotLoadable(config)).toBeNull();
  expect(whyNotLoadable({ ...models["gpt2"]!, positions: { kind: "none" } })).toBe(
    "transformers cannot load it: no family there has such a model (of gpt2 it differs in positions)",
  );
  expect(whyNotLoadable({ ...models["llama"]!, norm: "layer" })).toMatch(/of llama .* in norm\)/);
});

test.each<[string, object]>([
  ["sinks", { sinks: 128 }],
  ["activation", { activation: "relu" }],
  ["positions", { positions: { kind: "alibi" } }],
  ["biases", { biases: { attention: true, mlp: true, head: false, norm: true } }],
])("ONNX refuses a model with an unknown %s by name", (name, change) => {
  const config = { ...models["gpt2"]!, ...change };
  expect(() => onnxModel(config, "fp32")).toThrow(
    `ONNX has no graph for a model whose ${name} is `,
  );
});
