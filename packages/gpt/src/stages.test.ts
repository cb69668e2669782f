// A model in chunks, as pipeline stages hold them, computes what the full model does.

import { beforeAll, describe, expect, test } from "@jest/globals";
import "@tensorflow/tfjs-backend-cpu";
import { enableProdMode, memory, setBackend, tensor, type Tensor } from "@tensorflow/tfjs-core";
import { evalContext } from "@tessera/layers";
import type { Outside } from "@tessera/layers/placement";
import { modelStage } from "@tessera/model";
import { accumulate, disposeTree, leaves, materialize } from "@tessera/params";
import { claim, type Placed } from "@tessera/params/placement";
import { gpt, gptConfig, gptModel, type GptConfig, type GptParams } from "./index.js";

beforeAll(async () => {
  enableProdMode();
  await setBackend("cpu");
});

const tied = gptConfig({
  layerCount: 3,
  hiddenSize: 12,
  headCount: 3,
  vocabularySize: 17,
  maxPositions: 8,
});
const configs: readonly [string, GptConfig][] = [
  ["tied", tied],
  ["untied", { ...tied, tiedEmbeddings: false }],
];

const makeIds = () => tensor([3, 1, 4, 1, 5, 9, 2, 6], [2, 4], "int32");
const makeTargets = () => ({
  ids: tensor([1, 4, 1, 5, 9, 2, 6, 5], [2, 4], "int32"),
  weights: tensor(Array<number>(8).fill(1 / 8), [2, 4]),
});

/** A chunk of `size` layers from layer `start`, with its own parameters and sums of gradients. */
function createChunk(config: GptConfig, start: number, size: number) {
  const stage = modelStage(gptModel(config), {}, [{ start, size }]);
  const params = materialize<GptParams>(stage.spec, 1);
  return { chunk: stage.chunks[0]!, params, ...accumulate(params) };
}

/** The gradients of all chunks by path, those of a parameter that two chunks have summed. Consumes them. */
function sumGradients(trees: readonly GptParams[]): Map<string, Float32Array> {
  const sums = new Map<string, Float32Array>();
  for (const [path, leaf] of trees.flatMap((tree) => leaves<Tensor>(tree))) {
    const sum = sums.get(path);
    const values = leaf.dataSync<"float32">();
    sums.set(path, sum ? values.map((value, i) => value + sum[i]!) : values);
  }
  trees.forEach(disposeTree);
  return sums;
}

/** Loss and gradients of a model in chunks of `sizes` layers. */
function runChunks(config: GptConfig, sizes: readonly number[]) {
  let start = 0;
  const chunks = sizes.map((size) => createChunk(config, (start += size) - size, size));
  let x = claim<Outside>(makeIds());
  const runs = chunks.map((one) => {
    const [y, saved] = one.chunk.forward(one.params, x, evalContext);
    x.dispose();
    x = y;
    return { ...one, saved };
  });
  const targets = makeTargets();
  const { chunk, params, sink } = runs.at(-1)!;
  const { loss, dx } = chunk.head!.lossAndGradient(params, x, targets, sink);
  disposeTree({ x, targets });
  let dy: Placed<Outside> | null = dx;
  for (const one of runs.toReversed()) {
    const next: Placed<Outside> | null = one.chunk.backward(
      one.params,
      one.saved,
      dy!,
      one.sink,
      evalContext,
    );
    dy!.dispose();
    dy = next;
  }
  expect(dy).toBeNull();
  const gradients = sumGradients(runs.map(({ take }) => take()));
  const value = loss.dataSync()[0]!;
  disposeTree(loss);
  for (const one of runs) disposeTree(one.params);
  return { loss: value, gradients };
}

describe.each(configs)("a model that is %s,", (_name, config) => {
  test.each([[[1, 2]], [[2, 1]], [[1, 1, 1]]])("in chunks of %j layers", (sizes) => {
    const before = memory().numTensors;
    const full = runChunks(config, [3]);
    const chunked = runChunks(config, sizes);
    expect(memory().numTensors).toBe(before);
    expect(chunked.loss).toBe(full.loss);
    expect([...chunked.gradients.keys()].sort()).toEqual([...full.gradients.keys()].sort());
    for (const [path, values] of full.gradients) {
      // The gradient of a tied table is summed in another order.
      const largest = Math.max(
        ...values.map((value, i) => Math.abs(value - chunked.gradients.get(path)![i]!)),
      );
      expect([path, largest < 1e-7]).toEqual([path, true]);
    }
  });

  test("its chunks have the parameters that they use, under the full model's names", () => {
    const full = gpt(config).spec;
    const [first, last] = [0, 2].map(
      (start) => modelStage(gptModel(config), {}, [{ start, size: 1 }]).spec,
    );
    const paths = (spec: object) => leaves(spec as GptParams).map(([path]) => path);
    const blockPaths = (block: number) =>
      paths(full).filter((path) => path.startsWith(`blocks.${block}.`));
    expect(paths(first!)).toEqual(["embedding.token", "embedding.position", ...blockPaths(0)]);
    expect(paths(last!)).toEqual([
      ...(config.tiedEmbeddings ? ["embedding.token"] : []),
      ...blockPaths(2),
      "norm.gain",
      "norm.bias",
      ...(config.tiedEmbeddings ? [] : ["head.table"]),
    ]);
  });
});
