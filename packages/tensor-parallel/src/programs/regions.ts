// One rank of the regions' test: a small model forward and backward, unsharded and sharded.

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
  defineLayer,
  embedding,
  layerNorm,
  mlp,
  residual,
  sequence,
  evalContext,
  type Layer,
  type NoParams,
  type ParamsOf,
} from "@tessera/layers";
import {
  noTensorParallel,
  type TensorParallel,
  type LmHeadParams,
  type EmbeddingParams,
} from "@tessera/layers/parallel";
import {
  accumulate,
  disposeTree,
  leaves,
  mapTensors,
  materialize,
  type Like,
  type ParamSpec,
  type Tree,
} from "@tessera/params";
import {
  shardParams,
  tensorParallel,
  sequenceParallel,
  tensorAxis,
  unshardParams,
} from "../index.js";

type ByPath = Readonly<Record<string, readonly number[]>>;

export interface ModelResult {
  readonly loss: number;
  /** The loss without gradients. */
  readonly evalLoss: number;
  readonly logits: readonly number[];
  /** Of the full parameters. */
  readonly gradients: ByPath;
}

export interface Comparison {
  readonly unsharded: ModelResult;
  readonly tensorParallel: ModelResult;
  readonly sequenceParallel: ModelResult;
  readonly leaked: number;
}

/** The vocabulary does not divide: the last rank has fewer tokens than the others. */
const [VOCABULARY, WIDTH, BATCH, TIME] = [11, 4, 2, 6];
const vocabulary = { vocabulary: VOCABULARY, width: WIDTH, std: 1 };

/** A layer whose partial sums add up to x, and which does not save x. */
const scaledIdentity = ({
  weightShard: { count },
}: TensorParallel): Layer<NoParams, NoParams, "replicated", "partial"> =>
  defineLayer({
    spec: {},
    forward: (_params, x) => [mul(x, 1 / count), {}],
    backward: (_params, _saved, dy) => mul(dy, 1 / count),
  });

function createModel(tensorParallel: TensorParallel) {
  const ffn = mlp({
    width: WIDTH,
    ffnWidth: 12,
    std: 1,
    outputStd: 1,
    bias: true,
    shard: tensorParallel.weightShard,
  });
  const layers = sequence(
    ["norm", layerNorm(WIDTH)],
    ["mlp", residual(tensorParallel.wrap(ffn))],
    ["identity", tensorParallel.wrap(scaledIdentity(tensorParallel))],
  );
  return {
    embedding: embedding({ ...vocabulary, positions: TIME }, tensorParallel),
    layers,
    head: tensorParallel.lmHead({ ...vocabulary, bias: true }),
  };
}

type Model = ReturnType<typeof createModel>;
type Params = {
  readonly embedding: EmbeddingParams;
  readonly layers: ParamsOf<Model["layers"]>;
  readonly head: LmHeadParams;
};

const specOf = ({ embedding, layers, head }: Model) =>
  ({ embedding: embedding.spec, layers: layers.spec, head: head.spec }) as Like<Params, ParamSpec>;

const fillTokens = (numberAt: (i: number) => number): number[] =>
  Array.from({ length: BATCH * TIME }, (_, i) => numberAt(i));

function runModel(model: Model, params: Params) {
  const { sink, take: takeGradients } = accumulate(params);
  const ids = tensor(
    fillTokens((i) => (i * i) % VOCABULARY),
    [BATCH, TIME],
    "int32",
  );
  const targets = {
    ids: tensor(
      fillTokens((i) => (5 * i + 3) % VOCABULARY),
      [BATCH, TIME],
      "int32",
    ),
    weights: tensor(
      fillTokens((i) => (i === 4 ? 0 : 1 + i)),
      [BATCH, TIME],
    ),
  };
  const [x, embeddingSaved] = model.embedding.forward(params.embedding, ids, evalContext);
  const [y, layersSaved] = model.layers.forward(params.layers, x, evalContext);
  const evalLoss = model.head.loss(params.head, y, targets);
  const logits = model.head.logits(params.head, y);
  const { loss, dx } = model.head.lossAndGradient(params.head, y, targets, sink.head);
  const dy = model.layers.backward(params.layers, layersSaved, dx, sink.layers, evalContext);
  model.embedding.backward(params.embedding, embeddingSaved, dy, sink.embedding, evalContext);
  const result = {
    loss: loss.dataSync()[0]!,
    evalLoss: evalLoss.dataSync()[0]!,
    logits: [...logits.dataSync()],
    gradients: takeGradients(),
  };
  disposeTree({ inputs: ids, ...targets, x, y, evalLoss, logits, loss, dx, dy });
  return result;
}

/** The values of a tree, by path. Consumes the tree. */
function takeValues(tree: Tree): ByPath {
  const values = leaves<Tensor>(tree).map(([path, x]) => [path, [...x.dataSync()]] as const);
  disposeTree(tree);
  return Object.fromEntries(values);
}

export async function main({ all: group }: World): Promise<Comparison> {
  enableProdMode(); // no advice to install another backend
  await setBackend("cpu");
  const before = memory().numTensors;
  const unshardedModel = createModel(noTensorParallel);
  // A ramp makes all elements distinct and nonzero, also those with a constant initializer.
  const initialize = (): Params =>
    mapTensors(materialize<Params>(specOf(unshardedModel), 3), (initial) => {
      const ramp = tidy(() => mul(reshape(range(1, 1 + initial.size), initial.shape), 0.02));
      const leaf = add<Tensor>(initial, ramp);
      for (const x of [initial, ramp]) x.dispose();
      return leaf;
    });

  const runSharded = (tensorParallel: TensorParallel): ModelResult => {
    const model = createModel(tensorParallel);
    const spec = specOf(model);
    const axis = tensorAxis(spec, tensorParallel, group);
    const local = shardParams(initialize(), spec, tensorParallel.weightShard);
    const result = runModel(model, local);
    const completed: Tree = axis.completeGradients(result.gradients);
    const gradients = completed as Params;
    const full = unshardParams(gradients, spec, group);
    for (const tree of [local, gradients]) disposeTree(tree);
    return { ...result, gradients: takeValues(full) };
  };

  const params = initialize();
  const unsharded = runModel(unshardedModel, params);
  disposeTree(params);
  return {
    unsharded: { ...unsharded, gradients: takeValues(unsharded.gradients) },
    tensorParallel: runSharded(tensorParallel(group)),
    sequenceParallel: runSharded(sequenceParallel(group)),
    leaked: memory().numTensors - before,
  };
}
