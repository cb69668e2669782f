// An optimizer of your own: Muon (Jordan et al., 2024) for the matrices of the blocks, AdamW for embeddings, norms
// and biases. Muon makes the momentum of a matrix orthogonal, so it needs the whole matrix, and says so: a run that
// shards it, by ZeRO or tensor parallelism, is refused.

import "@tensorflow/tfjs-backend-wasm";
import * as tf from "@tensorflow/tfjs-core";
import { gpt, gptConfig, type GptParams } from "@tessera/gpt";
import { evalContext } from "@tessera/layers";
import { accumulate, disposeTree, materialize } from "@tessera/params";
import {
  clipFactor,
  createOptimizer,
  defineOptimizer,
  globalNorm,
  initialState,
  partitioned,
  type Optimizer,
} from "@tessera/optim";

/** The nearest matrix with orthogonal rows or columns, by five Newton-Schulz iterations of Muon's polynomial. */
function orthogonalize(matrix: tf.Tensor): tf.Tensor {
  let x = tf.div(matrix, tf.add(tf.norm(matrix), 1e-7));
  for (let i = 0; i < 5; i += 1) {
    const square = tf.matMul(x, x, false, true);
    const polynomial = tf.add(tf.mul(square, -4.775), tf.mul(tf.matMul(square, square), 2.0315));
    x = tf.add(tf.mul(x, 3.4445), tf.matMul(polynomial, x));
  }
  return x;
}

/** @param momentum decay of the running sum of gradients. */
const muon = (momentum: number): Optimizer =>
  defineOptimizer({
    name: "muon",
    granularity: "matrix",
    slots: ["momentum"],
    update({ params, gradients, slots: [sums] }, { learningRate, scale }) {
      const updated = params.map((param, i) =>
        tf.tidy(() => {
          const gradient = tf.mul(gradients[i]!, scale);
          const sum = tf.add(tf.mul(sums![i]!, momentum), gradient);
          const direction = orthogonalize(tf.add(gradient, tf.mul(sum, momentum)));
          const [rows, columns] = param.shape as [number, number];
          const step = learningRate * Math.sqrt(Math.max(1, columns / rows));
          // A scale that is not finite says that a gradient overflowed: such a step changes nothing.
          const isFinite = tf.isFinite(scale);
          return {
            param: tf.where(isFinite, tf.sub(param, tf.mul(direction, step)), param),
            sum: tf.where(isFinite, sum, sums![i]!),
          };
        }),
      );
      return { params: updated.map(({ param }) => param), slots: [updated.map(({ sum }) => sum)] };
    },
  });

await tf.setBackend("wasm");
const text = [...Buffer.from("the quick brown fox jumps over the lazy dog. ".repeat(3))];
const [time, vocabularySize] = [text.length - 1, 128];
const sizes = { layerCount: 2, hiddenSize: 32, headCount: 2, vocabularySize, maxPositions: time };
const model = gpt(gptConfig(sizes));

const optimizer = partitioned(model.spec, [
  {
    match: (path, { shape }) => path.startsWith("blocks.") && shape.length === 2,
    optimizer: muon(0.95),
    learningRateScale: 5,
  },
  { match: () => true, optimizer: createOptimizer({ kind: "adamw" }, model.spec) },
]);

const batch = {
  ids: tf.tensor(text.slice(0, time), [1, time], "int32"),
  targets: {
    ids: tf.tensor(text.slice(1), [1, time], "int32"),
    weights: tf.fill([1, time], 1 / time), // the mean over tokens
  },
};
let params = materialize<GptParams>(model.spec, 42);
let state = initialState(optimizer, params);
for (let step = 1; step <= 30; step += 1) {
  const { sink, take } = accumulate(params);
  const loss = model.lossAndGradients(params, batch, sink, evalContext);
  const gradients = take();
  const norm = globalNorm(gradients);
  const scale = clipFactor(norm, 1);
  const update = { step, learningRate: 4e-3, scale };
  ({ params, state } = optimizer.step(params, gradients, state, update));
  if (step === 30) console.log(loss.dataSync()[0]! < 1.5); // prints: true
  disposeTree({ loss, norm, scale });
}
