// A model from parts that this package knows nothing of: an embedding, two gates and a head.

import "@tensorflow/tfjs-backend-cpu";
import { beforeAll, describe, expect, test } from "@jest/globals";
import { enableProdMode, memory, setBackend, tensor, type Tensor } from "@tensorflow/tfjs-core";
import {
  embedding,
  evalContext,
  gelu,
  identity,
  linear,
  residual,
  sequence,
} from "@tessera/layers";
import { accumulate, disposeTree, leaves, materialize, type ParamSpec } from "@tessera/params";
import { fullModel, modelStage, transformer, type Model, type TransformerParams } from "./index.js";

beforeAll(async () => {
  enableProdMode(); // no advice to install another backend
  await setBackend("cpu");
});

const LAYERS = 3;
const [VOCABULARY, WIDTH] = [11, 6];

function gates(isTied: boolean): Model<TransformerParams> {
  const about = {
    family: { name: "gates", fromConfig: () => gates(isTied) },
    config: { isTied },
    identity: { isTied: String(isTied) },
    layerCount: LAYERS,
    hiddenSize: WIDTH,
  };
  const ends = { vocabulary: VOCABULARY, width: WIDTH, std: 0.5 };
  return transformer(about, {
    embedding: (parallel) => embedding({ ...ends, positions: null }, parallel),
    drop: () => identity,
    block: () =>
      residual(
        sequence({ up: linear({ inFeatures: WIDTH, outFeatures: WIDTH, std: 0.5 }), gelu: gelu() }),
      ),
    norm: () => identity,
    head: (parallel) => parallel.lmHead(ends),
    isTied,
  });
}

const rows = () => ({
  ids: tensor([3, 1, 4, 1, 5, 9], [2, 3], "int32"),
  targets: {
    ids: tensor([1, 4, 1, 5, 9, 2], [2, 3], "int32"),
    weights: tensor(Array<number>(6).fill(1 / 6), [2, 3]),
  },
});

/** Of all chunks, one behind the other: the loss, and gradients by path. */
function runChunks(model: Model<TransformerParams>, sizes: readonly number[]) {
  let start = 0;
  const ranges = sizes.map((size) => ({ start: (start += size) - size, size }));
  const stages = ranges.map((range) => modelStage(model, {}, [range]));
  const held = stages.map((stage) => {
    const params = materialize<TransformerParams>(stage.spec, 5);
    return { chunk: stage.chunks[0]!, params, sums: accumulate(params) };
  });
  const batch = rows();
  let x: Tensor = batch.ids.clone();
  const records = held.map(({ chunk, params }) => {
    const [y, saved] = chunk.forward(params, x, evalContext);
    x.dispose();
    x = y;
    return saved;
  });
  const last = held.at(-1)!;
  const made = last.chunk.head!.lossAndGradient(last.params, x, batch.targets, last.sums.sink);
  let dy: Tensor | null = made.dx;
  held.toReversed().forEach(({ chunk, params, sums }, i) => {
    const dx: Tensor | null = chunk.backward(
      params,
      records[held.length - 1 - i]!,
      dy!,
      sums.sink,
      evalContext,
    );
    dy!.dispose();
    dy = dx;
  });
  expect(dy).toBeNull();
  const gradients = new Map<string, number[]>();
  for (const { params, sums } of held) {
    const taken = sums.take();
    for (const [path, leaf] of leaves<Tensor>(taken)) {
      const own = [...leaf.dataSync()];
      const before = gradients.get(path);
      gradients.set(path, before ? before.map((value, j) => value + own[j]!) : own);
    }
    for (const tree of [taken, params]) disposeTree(tree);
  }
  const loss = made.loss.dataSync()[0]!;
  for (const spent of [x, made.loss]) spent.dispose();
  for (const spent of [batch.ids, batch.targets.ids, batch.targets.weights]) spent.dispose();
  return { loss, gradients };
}

describe.each([true, false])("with a tied head (%s)", (isTied) => {
  test.each([[[1, 2]], [[1, 1, 1]]])("chunks of %j layers are the whole model", (sizes) => {
    const before = memory().numTensors;
    const [whole, parts] = [runChunks(gates(isTied), [LAYERS]), runChunks(gates(isTied), sizes)];
    expect(parts.loss).toBeCloseTo(whole.loss, 6);
    expect([...parts.gradients.keys()].sort()).toEqual([...whole.gradients.keys()].sort());
    for (const [path, values] of whole.gradients) {
      values.forEach((value, i) => expect(parts.gradients.get(path)![i]).toBeCloseTo(value, 6));
    }
    expect(memory().numTensors).toBe(before);
  });

  test("a stage of two chunks has the parameters of both", () => {
    const { spec } = modelStage(gates(isTied), {}, [
      { start: 0, size: 1 },
      { start: 2, size: 1 },
    ]);
    const paths = leaves<ParamSpec>(spec).map(([path]) => path);
    expect(paths).toEqual([
      "embedding.token",
      ...["0", "2"].flatMap((block) => [`blocks.${block}.up.weight`, `blocks.${block}.up.bias`]),
      ...(isTied ? [] : ["head.table"]),
    ]);
  });
});

test("the whole model's loss is that of its activations' head", () => {
  const model = fullModel(gates(true));
  const params = materialize<TransformerParams>(model.spec, 5);
  const batch = rows();
  const x = model.activations(params, batch.ids, evalContext);
  const [direct, loss] = [
    model.chunks[0]!.head!.loss(params, x, batch.targets),
    model.loss(params, batch, evalContext),
  ];
  expect(loss.dataSync()).toEqual(direct.dataSync());
  expect(model.logits(params, x).shape).toEqual([2, 3, VOCABULARY]);
});
