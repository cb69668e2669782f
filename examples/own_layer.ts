// A layer of your own: LoRA (Hu et al., 2021), a product whose weight stays what it is, and beside it a narrow one
// that learns. It is written once, and works on one rank and under tensor parallelism.

import { isMainThread } from "node:worker_threads";
import { mul, ones, square, sub, sum, tidy, type Tensor } from "@tensorflow/tfjs-core";
import { runThreads, type World } from "@tessera/collectives";
import { chooseBackend, defaultBackend } from "@tessera/engines";
import { call, product } from "@tessera/kernels";
import { addAndDispose, columns, defineLayer, evalContext, gelu, linear } from "@tessera/layers";
import { residual, rows, sequence } from "@tessera/layers";
import type { Layer, LinearParams, ParamsOf } from "@tessera/layers";
import type { Outside, WeightShard } from "@tessera/layers/placement";
import { noTensorParallel } from "@tessera/layers/parallel";
import { accumulate, disposeTree, leafAt, mapTensors, mapTree } from "@tessera/params";
import { materialize, type ParamSpec, type Tree } from "@tessera/params";
import { claim, type Placement } from "@tessera/params/placement";
import { tensorAxis, tensorParallel } from "@tessera/tensor-parallel";

// 1. The layer: what its parameters are, two functions, and in its type the placements of x and y. `spec` says which
// dimension of a parameter tensor-parallel ranks partition; they hold their shards of it, and the same code runs on a
// shard.

type Narrow = { readonly down: LinearParams; readonly up: LinearParams };
type LoraParams = { readonly frozen: LinearParams; readonly narrow: Narrow };

/**
 * y = x W + b + x A B, where A [in, rank] and B [rank, out], which are `narrow`, learn. Both ways take x and return y
 * with the same placements over ranks, `In` and `Out`; so has the layer.
 */
function lora<S extends Tree, In extends Placement, Out extends Placement>(
  frozen: Layer<LinearParams, Tree, In, Out>,
  narrow: Layer<Narrow, S, In, Out>,
): Layer<LoraParams, S, In, Out> {
  const fixed = mapTree(frozen.spec, (leaf: ParamSpec): ParamSpec => ({ ...leaf, decay: false }));
  return defineLayer({
    spec: { frozen: fixed, narrow: narrow.spec },
    forward(params, x, ctx) {
      const [y, unused] = frozen.forward(params.frozen, x, ctx);
      disposeTree(unused);
      const [added, saved] = narrow.forward(params.narrow, x, ctx);
      return [addAndDispose(y, added), saved];
    },
    // A parameter that is given no gradient counts as having zeros: `sink.frozen` is not called.
    backward(params, saved, dy, sink, ctx) {
      const dx = call(product, { x: dy, weight: params.frozen.weight }, { transpose: true }).y;
      return addAndDispose(dx, narrow.backward(params.narrow, saved, dy, sink.narrow, ctx));
    },
  });
}

const STD = 0.3; // of initial weights, but for B, which starts at zero
const RANK = 2;

/** Split by columns: A is whole on every rank, and B is split where y is. */
function columnLora(inFeatures: number, outFeatures: number, shard: WeightShard) {
  const split = columns("ffn");
  return lora(
    linear({ inFeatures, outFeatures, std: STD, split, shard }),
    sequence(
      ["down", linear<"replicated">({ inFeatures, outFeatures: RANK, bias: false, std: STD })],
      ["up", linear({ inFeatures: RANK, outFeatures, bias: false, std: 0, split, shard })],
    ),
  );
}

/** Split by rows: A is split where x is, and B, whole on every rank, takes and returns terms of sums. */
function rowLora(inFeatures: number, outFeatures: number, shard: WeightShard) {
  const split = rows("ffn");
  return lora(
    linear({ inFeatures, outFeatures, std: STD, split, shard }),
    sequence(
      ["down", linear({ inFeatures, outFeatures: RANK, bias: false, std: STD, split, shard })],
      ["up", linear<"partial">({ inFeatures: RANK, outFeatures, bias: false, std: 0 })],
    ),
  );
}

// 2. An MLP of two such products, trained by gradient descent to give zeros. `wrap` begins and ends what ranks share:
// the first product is split by columns, the second by rows, and their sums are added up behind it.

export async function main(world: World): Promise<number[]> {
  await chooseBackend(defaultBackend(), { ...process.env, OMP_NUM_THREADS: "1" });
  const parallel = world.size === 1 ? noTensorParallel : tensorParallel(world.all);
  const { weightShard: shard } = parallel;
  const mlp = sequence(
    ["up", columnLora(8, 16, shard)],
    ["activation", gelu<"sharded:ffn">()],
    ["down", rowLora(16, 8, shard)],
  );
  const layer = residual(parallel.wrap(mlp));
  const axis = tensorAxis(layer.spec, parallel, world.all);
  let params = materialize<ParamsOf<typeof layer>>(layer.spec, 1, shard);
  return Array.from({ length: 8 }, () => {
    const x = claim<Outside>(ones([1, 4, 8])); // equal on all ranks
    const [y, saved] = layer.forward(params, x, evalContext);
    const { sink, take } = accumulate(params);
    layer.backward(params, saved, y, sink, evalContext); // of half the squared norm of y, whose gradient is y
    const gradients = axis.completeGradients(take());
    params = mapTensors(params, (leaf, path) =>
      tidy(() => sub(leaf, mul(0.002, leafAt<Tensor>(gradients, path)!))),
    );
    return tidy(() => mul(0.5, sum(square(y)))).dataSync()[0]!;
  });
}

if (isMainThread) {
  const program = new URL(import.meta.url);
  const [alone] = await runThreads<number[]>({ program, ranks: 1 });
  const [shared] = await runThreads<number[]>({ program, ranks: 2 });
  console.log(alone!.at(-1)! < 0.95 * alone![0]!); // prints: true
  // Two ranks add in another order, so the last bits may differ.
  console.log(alone!.every((loss, step) => Math.abs(shared![step]! / loss - 1) < 1e-5)); // prints: true
}
