// What ranks hold of models, and which models they cannot share: known before anything is in memory.

import "@tensorflow/tfjs-backend-cpu";
import { beforeAll, describe, expect, test } from "@jest/globals";
import { enableProdMode, memory, setBackend } from "@tensorflow/tfjs-core";
import { singleGroup, singleWorld, type World } from "@tessera/collectives";
import { UserError } from "@tessera/config";
import { gptConfig, gptModel, type GptConfig } from "@tessera/gpt";
import { leaves, shardSlice, type ParamSpec } from "@tessera/params";
import { fullModel } from "@tessera/model";
import { createOptimizer, defineOptimizer, partitioned } from "@tessera/optim";
import { parallelize } from "./loop.js";

beforeAll(async () => {
  enableProdMode(); // no advice to install another backend
  await setBackend("cpu");
});

/** The first of so many ranks, which talks to nobody. */
const worldOf = (size: number): World => ({
  ...singleWorld(),
  size,
  group: (name, ranks) => ({ ...singleGroup(0, name), size: ranks.length, ranks }),
});

function laidOut(ranks: number, config: GptConfig, sequenceParallel = false) {
  return parallelize(worldOf(ranks), gptModel(config), {
    tensor: ranks,
    sequence: sequenceParallel,
  });
}

const sizes = { layerCount: 24, hiddenSize: 2064, headCount: 24 };

describe("tensor parallelism refuses by name what it cannot shard:", () => {
  test.each([
    [
      "heads",
      { ...sizes, headCount: 12 },
      "blocks.0.attention.heads.query.weight: 12 heads cannot be sharded over 8 tensor-parallel ranks; " +
        "use a degree that divides 12",
    ],
    [
      "KV heads",
      { ...sizes, kvHeadCount: 3 },
      "blocks.0.attention.heads.keyValue.weight: 3 KV heads cannot be sharded over 8 tensor-parallel " +
        "ranks; use a degree that divides 3, or a multiple of it",
    ],
    [
      "columns of the feed-forward layer",
      { ...sizes, ffnHiddenSize: 1001 },
      "blocks.0.mlp.feed.up.weight: 1001 columns cannot be sharded over 8 tensor-parallel ranks; " +
        "use a degree that divides 1001",
    ],
    [
      "a vocabulary",
      { ...sizes, vocabularySize: 7 },
      "vocabulary: 7 tokens of the vocabulary cannot be sharded over 8 tensor-parallel ranks; " +
        "use a smaller degree, so that each rank has some",
    ],
  ])("%s", (_what, config, message) => {
    const { numTensors } = memory();
    for (const sequenceParallel of [false, true]) {
      expect(() => laidOut(8, gptConfig(config), sequenceParallel)).toThrow(new UserError(message));
    }
    expect(memory().numTensors).toBe(numTensors);
  });
});

describe("an optimizer that needs whole matrices", () => {
  const model = gptModel(gptConfig({ layerCount: 2, hiddenSize: 8, headCount: 2 }));
  const { spec } = fullModel(model);
  const whole = defineOptimizer({
    name: "muon",
    granularity: "matrix",
    slots: [],
    update: ({ params }) => ({ params: params.map((x) => x.clone()), slots: [] }),
  });
  const optimizer = partitioned(spec, [
    { match: (path) => path === "blocks.1.mlp.feed.up.weight", optimizer: whole },
    { match: () => true, optimizer: createOptimizer({ kind: "adamw" }, spec) },
  ]);

  test.each([
    ["ZeRO 1", { zeroStage: 1 }, "[128]"],
    ["ZeRO 3", { zeroStage: 3 }, "[128]"],
    ["tensor parallelism", { tensor: 2 }, "[8, 16]"],
  ] as const)("is refused %s by its name and the parameter's", (_what, config, shard) => {
    expect(() => parallelize(worldOf(2), model, config, { optimizer })).toThrow(
      `blocks.1.mlp.feed.up.weight: muon needs the whole matrix [8, 32], of which this rank's shard is ${shard}`,
    );
  });

  test("has them on pipeline stages and data-parallel ranks that shard nothing", () => {
    for (const config of [{ pipeline: 2 }, { zeroStage: 0 }] as const) {
      expect(() => parallelize(worldOf(2), model, config, { optimizer })).not.toThrow();
    }
  });
});

test("eight ranks shard 24 heads of 86, a hidden size of 2064 and GPT-2's vocabulary", () => {
  const { model, weightShard } = laidOut(8, gptConfig(sizes));
  const held = Object.fromEntries(
    leaves<ParamSpec>(model.spec).map(([path, leaf]) => [
      path,
      shardSlice(leaf, weightShard, path).size,
    ]),
  );
  expect(held).toMatchObject({
    "embedding.token": [6283, 2064], // the last rank lacks seven of them
    "blocks.23.attention.heads.query.weight": [2064, 3 * 86],
    "blocks.23.attention.heads.keyValue.weight": [2064, 2, 3 * 86],
    "blocks.23.attention.heads.output.weight": [3 * 86, 2064],
    "blocks.23.mlp.feed.up.bias": [1032],
    "blocks.23.mlp.feed.down.weight": [1032, 2064],
    "blocks.23.mlp.feed.down.bias": [2064],
  });
});
