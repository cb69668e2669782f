// A transformer with custom blocks: an embedding, residual linear layers and a head.

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
import type { Outside } from "@tessera/layers/placement";
import { accumulate, disposeTree, leaves, materialize, type ParamSpec } from "@tessera/params";
import { claim, type Placed } from "@tessera/params/placement";
import { fullModel, modelStage, transformer, type Model, type TransformerParams } from "./index.js";

beforeAll(async () => {
  enableProdMode(); // no advice to install another backend
  await setBackend("cpu");
});

const LAYERS = 3;
const [VOCABULARY, WIDTH] = [11, 6];

function customModel(isTied: boolean): Model<TransformerParams> {
  const about = {
    family: { name: "custom", fromConfig: () => customModel(isTied) },
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
        sequence(
          ["up", linear({ inFeatures: WIDTH, outFeatures: WIDTH, std: 0.5 })],
          ["gelu", gelu()],
        ),
      ),
    norm: () => identity,
    head: (parallel) => parallel.lmHead(ends),
    isTied,
  });
}

const makeBatch = () => ({
  ids: tensor([3, 1, 4, 1, 5, 9], [2, 3], "int32"),
  targets: {
    ids: tensor([1, 4, 1, 5, 9, 2], [2, 3], "int32"),
    weights: tensor(Array<number>(6).fill(1 / 6), [2, 3]),
  },
});

/** A chunk of `size` layers from layer `start`, with its own parameters and sums of gradients. */
function createChunk(model: Model<TransformerParams>, start: number, size: number) {
  const stage = modelStage(model, {}, [{ start, size }]);
  const params = materialize<TransformerParams>(stage.spec, 5);
  return { chunk: stage.chunks[0]!, params, ...accumulate(params) };
}

/** The gradients of all chunks by path, those of a parameter that two chunks have summed. Consumes them. */
function sumGradients(trees: readonly TransformerParams[]): Map<string, number[]> {
  const sums = new Map<string, number[]>();
  for (const [path, leaf] of trees.flatMap((tree) => leaves<Tensor>(tree))) {
    const values = [...leaf.dataSync()];
    const sum = sums.get(path);
    sums.set(path, sum ? sum.map((value, i) => value + values[i]!) : values);
  }
  trees.forEach(disposeTree);
  return sums;
}

/** Loss and gradients of a model in chunks of `sizes` layers. */
function runChunks(model: Model<TransformerParams>, sizes: readonly number[]) {
  let start = 0;
  const chunks = sizes.map((size) => createChunk(model, (start += size) - size, size));
  const { ids, targets } = makeBatch();
  let x = claim<Outside>(ids);
  const runs = chunks.map((one) => {
    const [y, saved] = one.chunk.forward(one.params, x, evalContext);
    x.dispose();
    x = y;
    return { ...one, saved };
  });
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

describe.each([true, false])("with a tied head (%s)", (isTied) => {
  test.each([[[1, 2]], [[1, 1, 1]]])(
    "chunks of %j layers compute what the full model does",
    (sizes) => {
      const before = memory().numTensors;
      const full = runChunks(customModel(isTied), [LAYERS]);
      const chunked = runChunks(customModel(isTied), sizes);
      expect(chunked.loss).toBeCloseTo(full.loss, 6);
      expect([...chunked.gradients.keys()].sort()).toEqual([...full.gradients.keys()].sort());
      for (const [path, values] of full.gradients) {
        values.forEach((value, i) => expect(chunked.gradients.get(path)![i]).toBeCloseTo(value, 6));
      }
      expect(memory().numTensors).toBe(before);
    },
  );

  test("a stage of two chunks has the parameters of both", () => {
    const { spec } = modelStage(customModel(isTied), {}, [
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

test("the loss of a full model is that of the head for its activations", () => {
  const model = fullModel(customModel(true));
  const params = materialize<TransformerParams>(model.spec, 5);
  const batch = makeBatch();
  const x = model.activations(params, batch.ids, evalContext);
  const expected = model.chunks[0]!.head!.loss(params, x, batch.targets);
  expect(model.loss(params, batch, evalContext).dataSync()).toEqual(expected.dataSync());
  expect(model.logits(params, x).shape).toEqual([2, 3, VOCABULARY]);
});
