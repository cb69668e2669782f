// One rank that runs a small model forward and backward twice: with full weights, and with sharded ones.

import "@tensorflow/tfjs-backend-cpu";
import {
  add,
  enableProdMode,
  memory,
  mul,
  range,
  reshape,
  setBackend,
  tensor,
  tidy,
  type Tensor,
} from "@tensorflow/tfjs-core";
import type { World } from "@tessera/collectives";
import {
  layerNorm,
  linear,
  residual,
  evalContext,
  tokenEmbedding,
  type ParamsOf,
} from "@tessera/layers";
import {
  identityWrapper,
  lmHead,
  noTensorParallel,
  type LayerWrapper,
} from "@tessera/layers/parallel";
import {
  accumulate,
  disposeTree,
  leaves,
  mapTensors,
  materialize,
  type GradientSink,
  type Tree,
} from "@tessera/params";
import { fullyShard, fsdpWrapper } from "../index.js";

type ByPath = Readonly<Record<string, readonly number[]>>;

export interface ModelResult {
  readonly loss: number;
  /** The loss without gradients. */
  readonly evalLoss: number;
  readonly logits: readonly number[];
  /** Summed over ranks and passes. */
  readonly gradients: ByPath;
}

export interface Comparison {
  readonly replicated: ModelResult;
  readonly sharded: ModelResult;
  readonly leaked: number;
}

const [VOCABULARY, WIDTH, BATCH, TIME, PASSES] = [7, 3, 2, 3, 2];
const vocabulary = { vocabulary: VOCABULARY, width: WIDTH, std: 1 };
const square = { inFeatures: WIDTH, outFeatures: WIDTH, std: 1 };

/** A model with every kind of module that a `LayerWrapper` wraps. */
function createModel(wrapper: LayerWrapper) {
  const embedding = wrapper.embedding(noTensorParallel.wrapEmbedding(tokenEmbedding(vocabulary)));
  const layers = wrapper.stack({
    "0": linear(square),
    "1": residual(linear({ ...square, bias: false })),
    "2": linear(square),
  });
  const norm = wrapper.layer(layerNorm(WIDTH));
  const head = wrapper.head(lmHead({ ...vocabulary, bias: true }));
  return { embedding, layers, norm, head };
}

type Model = ReturnType<typeof createModel>;
type Params = {
  readonly embedding: { readonly token: Tensor };
  readonly layers: ParamsOf<Model["layers"]>;
  readonly norm: ParamsOf<Model["norm"]>;
  readonly head: { readonly table: Tensor; readonly bias?: Tensor };
};

const specOf = ({ embedding, layers, norm, head }: Model) => ({
  embedding: embedding.spec,
  layers: layers.spec,
  norm: norm.spec,
  head: head.spec,
});

/** Token ids that differ between ranks and passes. */
const createIds = (rank: number, pass: number, shift: number): Tensor =>
  tensor(
    Array.from(
      { length: BATCH * TIME },
      (_, i) => (5 * rank + 3 * pass + i * i + shift) % VOCABULARY,
    ),
    [BATCH, TIME],
    "int32",
  );

function runPasses(
  model: Model,
  params: Params,
  sinkFor: (pass: number) => GradientSink<Params>,
  rank: number,
) {
  const total = { loss: 0, evalLoss: 0, logits: [] as number[] };
  for (let pass = 0; pass < PASSES; pass += 1) {
    const sink = sinkFor(pass);
    const ids = createIds(rank, pass, 0);
    const targets = {
      ids: createIds(rank, pass, 1),
      weights: tensor(
        Array.from({ length: BATCH * TIME }, (_, i) => 1 + i),
        [BATCH, TIME],
      ),
    };
    const [x, embeddingSaved] = model.embedding.forward(params.embedding, ids, evalContext);
    const [h, layersSaved] = model.layers.forward(params.layers, x, evalContext);
    const [y, normSaved] = model.norm.forward(params.norm, h, evalContext);
    const evalLoss = model.head.loss(params.head, y, targets);
    const logits = model.head.logits(params.head, y);
    const { loss, dx } = model.head.lossAndGradient(params.head, y, targets, sink.head);
    const dh = model.norm.backward(params.norm, normSaved, dx, sink.norm, evalContext);
    const dy = model.layers.backward(params.layers, layersSaved, dh, sink.layers, evalContext);
    model.embedding.backward(params.embedding, embeddingSaved, dy, sink.embedding, evalContext);
    total.loss += loss.dataSync()[0]!;
    total.evalLoss += evalLoss.dataSync()[0]!;
    total.logits.push(...logits.dataSync());
    disposeTree({ inputs: ids, ...targets, x, h, y, evalLoss, logits, loss, dx, dh, dy });
  }
  return total;
}

/** The values of a tree, by path. Consumes the tree. */
function takeValues(tree: Tree): ByPath {
  const values = leaves<Tensor>(tree).map(([path, x]) => [path, [...x.dataSync()]] as const);
  disposeTree(tree);
  return Object.fromEntries(values);
}

export async function main({ all: group, rank }: World): Promise<Comparison> {
  enableProdMode(); // no advice to install another backend
  await setBackend("cpu");
  const before = memory().numTensors;
  const replicatedModel = createModel(identityWrapper);
  const spec = specOf(replicatedModel);
  // A ramp makes all elements distinct and nonzero, also those with a constant initializer.
  const params = mapTensors(materialize<Params>(spec, 3), (initial) => {
    const ramp = tidy(() => mul(reshape(range(1, 1 + initial.size), initial.shape), 0.1));
    const leaf = add<Tensor>(initial, ramp);
    for (const x of [initial, ramp]) x.dispose();
    return leaf;
  });
  const accumulator = accumulate(params);
  const replicated = runPasses(replicatedModel, params, () => accumulator.sink, rank);
  const gradients = mapTensors(accumulator.take(), (local) => {
    const sum = group.allReduce(local).wait();
    local.dispose();
    return sum;
  });

  const dataParallel = fullyShard<Params>(spec, group);
  const local = dataParallel.shardParams(params);
  const { sink, finish } = dataParallel.createReducer(local);
  const model = createModel(fsdpWrapper(group));
  const sharded = runPasses(model, local, (pass) => sink(pass === PASSES - 1), rank);
  const shards = finish();
  const gathered = dataParallel.gatherFromOptimizer(shards);
  for (const tree of [local, shards]) disposeTree(tree);
  return {
    replicated: { ...replicated, gradients: takeValues(gradients) },
    sharded: { ...sharded, gradients: takeValues(gathered) },
    leaked: memory().numTensors - before,
  };
}
