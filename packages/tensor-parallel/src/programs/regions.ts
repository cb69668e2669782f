// A rank of the regions' test: a small model forward and back, whole, and as shares of several ranks.

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
  embedding,
  layerNorm,
  mlp,
  residual,
  sequence,
  evalContext,
  type EmbeddingParams,
  type Layer,
  type NoParams,
  type ParamsOf,
} from "@tessera/layers";
import { noTensorParallel, type TensorParallel, type LmHeadParams } from "@tessera/layers/parallel";
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

export interface Taken {
  readonly loss: number;
  /** Without gradients. */
  readonly evaluated: number;
  readonly logits: readonly number[];
  /** Whole. */
  readonly gradients: ByPath;
}

export interface Compared {
  readonly whole: Taken;
  /** Ranks share the products; and the tokens outside of them too. */
  readonly split: Taken;
  readonly splitTokens: Taken;
  readonly leaked: number;
}

/** The last rank has fewer of the tokens of the vocabulary than the others. */
const [VOCABULARY, WIDTH, BATCH, TIME] = [11, 4, 2, 6];
const vocabulary = { vocabulary: VOCABULARY, width: WIDTH, std: 1 };

/** Partial sums of x itself, by a layer that keeps nothing of it. */
const parted = ({ weightShard: { count } }: TensorParallel): Layer<NoParams, NoParams> => ({
  spec: {},
  forward: (_params, x) => [mul(x, 1 / count), {}],
  backward: (_params, _saved, dy) => mul(dy, 1 / count),
});

function modelOf(tensorParallel: TensorParallel) {
  const feed = mlp({
    width: WIDTH,
    ffnWidth: 12,
    std: 1,
    outputStd: 1,
    bias: true,
    shard: tensorParallel.weightShard,
  });
  const stack = sequence({
    norm: layerNorm(WIDTH),
    feed: residual(tensorParallel.wrap(feed)),
    parted: tensorParallel.wrap(parted(tensorParallel)),
  });
  return {
    source: embedding({ ...vocabulary, positions: TIME }, tensorParallel),
    stack,
    head: tensorParallel.lmHead({ ...vocabulary, bias: true }),
  };
}

type Model = ReturnType<typeof modelOf>;
type Params = {
  readonly source: EmbeddingParams;
  readonly stack: ParamsOf<Model["stack"]>;
  readonly head: LmHeadParams;
};

const specOf = ({ source, stack, head }: Model) =>
  ({ source: source.spec, stack: stack.spec, head: head.spec }) as Like<Params, ParamSpec>;

const rowOf = (numberAt: (i: number) => number): number[] =>
  Array.from({ length: BATCH * TIME }, (_, i) => numberAt(i));

function take(model: Model, params: Params) {
  const { sink, take: gradients } = accumulate(params);
  const ids = tensor(
    rowOf((i) => (i * i) % VOCABULARY),
    [BATCH, TIME],
    "int32",
  );
  const targets = {
    ids: tensor(
      rowOf((i) => (5 * i + 3) % VOCABULARY),
      [BATCH, TIME],
      "int32",
    ),
    weights: tensor(
      rowOf((i) => (i === 4 ? 0 : 1 + i)),
      [BATCH, TIME],
    ),
  };
  const [x, ofSource] = model.source.forward(params.source, ids, evalContext);
  const [y, ofStack] = model.stack.forward(params.stack, x, evalContext);
  const evaluated = model.head.loss(params.head, y, targets);
  const logits = model.head.logits(params.head, y);
  const { loss, dx } = model.head.lossAndGradient(params.head, y, targets, sink.head);
  const dy = model.stack.backward(params.stack, ofStack, dx, sink.stack, evalContext);
  model.source.backward(params.source, ofSource, dy, sink.source, evalContext);
  const made = {
    loss: loss.dataSync()[0]!,
    evaluated: evaluated.dataSync()[0]!,
    logits: [...logits.dataSync()],
    gradients: gradients(),
  };
  disposeTree({ inputs: ids, ...targets, x, y, evaluated, logits, loss, dx, dy });
  return made;
}

/** The values of a tree, which it uses up. */
function valuesOf(tree: Tree): ByPath {
  const values = leaves<Tensor>(tree).map(([path, x]) => [path, [...x.dataSync()]] as const);
  disposeTree(tree);
  return Object.fromEntries(values);
}

export async function main({ all: group }: World): Promise<Compared> {
  enableProdMode(); // no advice to install another backend
  await setBackend("cpu");
  const before = memory().numTensors;
  const plain = modelOf(noTensorParallel);
  // No two elements alike, nor any zero, also of what starts as one value.
  const drawn = (): Params =>
    mapTensors(materialize<Params>(specOf(plain), 3), (leaf) => {
      const slope = tidy(() => mul(reshape(range(1, 1 + leaf.size), leaf.shape), 0.02));
      const moved = add<Tensor>(leaf, slope);
      for (const spent of [leaf, slope]) spent.dispose();
      return moved;
    });

  const takeShared = (tensorParallel: TensorParallel): Taken => {
    const model = modelOf(tensorParallel);
    const spec = specOf(model);
    const axis = tensorAxis(spec, tensorParallel, group);
    const share = shardParams(drawn(), spec, tensorParallel.weightShard);
    const taken = take(model, share);
    const gradients = axis.completeGradients(taken.gradients) as Params;
    const joined = unshardParams(gradients, spec, group);
    for (const tree of [share, gradients]) disposeTree(tree);
    return { ...taken, gradients: valuesOf(joined) };
  };

  const params = drawn();
  const taken = take(plain, params);
  disposeTree(params);
  return {
    whole: { ...taken, gradients: valuesOf(taken.gradients) },
    split: takeShared(tensorParallel(group)),
    splitTokens: takeShared(sequenceParallel(group)),
    leaked: memory().numTensors - before,
  };
}
