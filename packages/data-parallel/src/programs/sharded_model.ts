// A rank that takes a small model forward and back twice: with all weights, and with pieces of them.

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
import { identityWrapper, lmHead, type LayerWrapper } from "@tessera/layers/parallel";
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

export interface Taken {
  readonly loss: number;
  /** Without gradients. */
  readonly evaluated: number;
  readonly logits: readonly number[];
  /** Summed over ranks and passes. */
  readonly gradients: ByPath;
}

export interface Compared {
  readonly whole: Taken;
  readonly sharded: Taken;
  readonly leaked: number;
}

const [VOCABULARY, WIDTH, BATCH, TIME, PASSES] = [7, 3, 2, 3, 2];
const vocabulary = { vocabulary: VOCABULARY, width: WIDTH, std: 1 };
const square = { inFeatures: WIDTH, outFeatures: WIDTH, std: 1 };

/** Every kind of part that a wrapping goes around. */
function modelOf(around: LayerWrapper) {
  const source = around.embedding(tokenEmbedding(vocabulary));
  const stack = around.sequence({
    "0": linear(square),
    "1": residual(linear({ ...square, bias: false })),
    "2": linear(square),
  });
  const norm = around.layer(layerNorm(WIDTH));
  const head = around.head(lmHead({ ...vocabulary, bias: true }));
  return { source, stack, norm, head };
}

type Model = ReturnType<typeof modelOf>;
type Params = {
  readonly source: { readonly token: Tensor };
  readonly stack: ParamsOf<Model["stack"]>;
  readonly norm: ParamsOf<Model["norm"]>;
  readonly head: { readonly table: Tensor; readonly bias?: Tensor };
};

const specOf = ({ source, stack, norm, head }: Model) => ({
  source: source.spec,
  stack: stack.spec,
  norm: norm.spec,
  head: head.spec,
});

/** Ids that differ from rank to rank and from pass to pass. */
const idsOf = (rank: number, pass: number, shift: number): Tensor =>
  tensor(
    Array.from(
      { length: BATCH * TIME },
      (_, i) => (5 * rank + 3 * pass + i * i + shift) % VOCABULARY,
    ),
    [BATCH, TIME],
    "int32",
  );

function take(
  model: Model,
  params: Params,
  sinkOf: (pass: number) => GradientSink<Params>,
  rank: number,
) {
  const made = { loss: 0, evaluated: 0, logits: [] as number[] };
  for (let pass = 0; pass < PASSES; pass += 1) {
    const sink = sinkOf(pass);
    const ids = idsOf(rank, pass, 0);
    const targets = {
      ids: idsOf(rank, pass, 1),
      weights: tensor(
        Array.from({ length: BATCH * TIME }, (_, i) => 1 + i),
        [BATCH, TIME],
      ),
    };
    const [x, ofSource] = model.source.forward(params.source, ids, evalContext);
    const [h, ofStack] = model.stack.forward(params.stack, x, evalContext);
    const [y, ofNorm] = model.norm.forward(params.norm, h, evalContext);
    const evaluated = model.head.loss(params.head, y, targets);
    const logits = model.head.logits(params.head, y);
    const { loss, dx } = model.head.lossAndGradient(params.head, y, targets, sink.head);
    const dh = model.norm.backward(params.norm, ofNorm, dx, sink.norm, evalContext);
    const dy = model.stack.backward(params.stack, ofStack, dh, sink.stack, evalContext);
    model.source.backward(params.source, ofSource, dy, sink.source, evalContext);
    made.loss += loss.dataSync()[0]!;
    made.evaluated += evaluated.dataSync()[0]!;
    made.logits.push(...logits.dataSync());
    disposeTree({ inputs: ids, ...targets, x, h, y, evaluated, logits, loss, dx, dh, dy });
  }
  return made;
}

/** The values of a tree, which it uses up. */
function valuesOf(tree: Tree): ByPath {
  const values = leaves<Tensor>(tree).map(([path, x]) => [path, [...x.dataSync()]] as const);
  disposeTree(tree);
  return Object.fromEntries(values);
}

export async function main({ all: group, rank }: World): Promise<Compared> {
  enableProdMode(); // no advice to install another backend
  await setBackend("cpu");
  const before = memory().numTensors;
  const plain = modelOf(identityWrapper);
  const spec = specOf(plain);
  // No two elements alike, nor any zero, also of what starts as one value.
  const params = mapTensors(materialize<Params>(spec, 3), (drawn) => {
    const slope = tidy(() => mul(reshape(range(1, 1 + drawn.size), drawn.shape), 0.1));
    const leaf = add<Tensor>(drawn, slope);
    for (const spent of [drawn, slope]) spent.dispose();
    return leaf;
  });
  const summed = accumulate(params);
  const whole = take(plain, params, () => summed.sink, rank);
  const gradients = mapTensors(summed.take(), (own) => {
    const sum = group.allReduce(own).wait();
    own.dispose();
    return sum;
  });

  const dataParallel = fullyShard<Params>(spec, group);
  const held = dataParallel.shardParams(params);
  const { sink, finish: collected } = dataParallel.createReducer(held);
  const model = modelOf(fsdpWrapper(group));
  const sharded = take(model, held, (pass) => sink(pass === PASSES - 1), rank);
  const pieces = collected();
  const gathered = dataParallel.gatherFromOptimizer(pieces);
  for (const tree of [held, pieces]) disposeTree(tree);
  return {
    whole: { ...whole, gradients: valuesOf(gradients) },
    sharded: { ...sharded, gradients: valuesOf(gathered) },
    leaked: memory().numTensors - before,
  };
}
