// A model in parts, one behind the other, is the model.

import { beforeAll, describe, expect, test } from "@jest/globals";
import "@tensorflow/tfjs-backend-cpu";
import { enableProdMode, memory, setBackend, tensor, type Tensor } from "@tensorflow/tfjs-core";
import { evalContext } from "@tessera/layers";
import { accumulate, disposeTree, leaves, materialize } from "@tessera/params";
import { modelStage } from "@tessera/model";
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
const models: readonly [string, GptConfig][] = [
  ["tied", tied],
  ["untied", { ...tied, tiedEmbeddings: false }],
];

const ids = () => tensor([3, 1, 4, 1, 5, 9, 2, 6], [2, 4], "int32");
const targets = () => ({
  ids: tensor([1, 4, 1, 5, 9, 2, 6, 5], [2, 4], "int32"),
  weights: tensor(Array<number>(8).fill(1 / 8), [2, 4]),
});

/** The loss, and the gradients by path, of parts that each have parameters of their own. */
function inParts(config: GptConfig, sizes: readonly number[]) {
  let start = 0;
  const spans = sizes.map((size) => ({ start: (start += size) - size, size }));
  const stages = spans.map((span) => modelStage(gptModel(config), {}, [span]));
  const trees = stages.map(({ spec }) => materialize<GptParams>(spec, 1));
  const parts = stages.map(({ chunks: [part] }) => part!);
  const sums = trees.map((tree) => accumulate(tree));
  const records = [];
  let x: Tensor = ids();
  for (const [i, part] of parts.entries()) {
    const [y, saved] = part.forward(trees[i]!, x, evalContext);
    x.dispose();
    x = y;
    records.push(saved);
  }
  const rows = targets();
  const last = parts.length - 1;
  const made = parts[last]!.head!.lossAndGradient(trees[last]!, x, rows, sums[last]!.sink);
  x.dispose();
  disposeTree(rows);
  let dy: Tensor | null = made.dx;
  for (let i = last; i >= 0; i -= 1) {
    const dx: Tensor | null = parts[i]!.backward(
      trees[i]!,
      records[i]!,
      dy!,
      sums[i]!.sink,
      evalContext,
    );
    dy!.dispose();
    dy = dx;
  }
  const gradients = new Map<string, Float32Array>();
  for (const { take } of sums) {
    const taken = take();
    for (const [path, leaf] of leaves<Tensor>(taken)) {
      const before = gradients.get(path);
      const values = leaf.dataSync<"float32">();
      gradients.set(path, before ? values.map((value, at) => value + before[at]!) : values);
    }
    disposeTree(taken);
  }
  const loss = made.loss.dataSync()[0]!;
  made.loss.dispose();
  trees.forEach(disposeTree);
  return { loss, gradients };
}

describe.each(models)("a model that is %s,", (_name, config) => {
  test.each([[[1, 2]], [[2, 1]], [[1, 1, 1]]])("in parts of %j layers", (sizes) => {
    const before = memory().numTensors;
    const whole = inParts(config, [3]);
    const parts = inParts(config, sizes);
    expect(memory().numTensors).toBe(before);
    expect(parts.loss).toBe(whole.loss);
    expect([...parts.gradients.keys()].sort()).toEqual([...whole.gradients.keys()].sort());
    for (const [path, values] of whole.gradients) {
      // A tied table's gradient is summed in another order.
      const worst = Math.max(
        ...values.map((value, i) => Math.abs(value - parts.gradients.get(path)![i]!)),
      );
      expect([path, worst < 1e-7]).toEqual([path, true]);
    }
  });

  test("its parts have what they use, under the whole model's names", () => {
    const whole = gpt(config).spec;
    const [first, last] = [0, 2].map(
      (start) => modelStage(gptModel(config), {}, [{ start, size: 1 }]).spec,
    );
    const names = (spec: object) => leaves(spec as GptParams).map(([path]) => path);
    const ofBlock = (block: number) =>
      names(whole).filter((path) => path.startsWith(`blocks.${block}.`));
    expect(names(first!)).toEqual(["embedding.token", "embedding.position", ...ofBlock(0)]);
    expect(names(last!)).toEqual([
      ...(config.tiedEmbeddings ? ["embedding.token"] : []),
      ...ofBlock(2),
      "norm.gain",
      "norm.bias",
      ...(config.tiedEmbeddings ? [] : ["head.table"]),
    ]);
  });
});
