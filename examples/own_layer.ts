// A layer of your own: LoRA (Hu et al., 2021), a product whose weight stays what it is, and beside it a narrow one
// that learns. It is written once, and works on one rank and under tensor parallelism.

import { isMainThread } from "node:worker_threads";
import { mul, ones, square, sub, sum, tidy, type Tensor } from "@tensorflow/tfjs-core";
import { runThreads, type World } from "@tessera/collectives";
import { chooseBackend, defaultBackend } from "@tessera/engines";
import { call, product } from "@tessera/kernels";
import { addAndDispose, evalContext, gelu, linear, residual, sequence } from "@tessera/layers";
import type { Layer, LinearOptions, LinearParams, ParamsOf } from "@tessera/layers";
import { noTensorParallel } from "@tessera/layers/parallel";
import { accumulate, disposeTree, leafAt, mapTensors, mapTree, materialize } from "@tessera/params";
import type { ParamSpec, Tree } from "@tessera/params";
import { tensorAxis, tensorParallel } from "@tessera/tensor-parallel";

// 1. The layer: what its parameters are, and two functions. `spec` says which dimension of a parameter tensor-parallel
// ranks partition; they hold their shards of it, and the same code runs on a shard.

type Narrow = { readonly down: LinearParams; readonly up: LinearParams };
type LoraParams = { readonly frozen: LinearParams; readonly narrow: Narrow };

/** y = x W + b + x A B, where A [in, rank] and B [rank, out] learn; B starts at zero. */
function lora(
  options: LinearOptions & { readonly outFeatures: number },
  rank: number,
): Layer<LoraParams, Tree> {
  const { inFeatures, outFeatures, partition, shard, std } = options;
  const frozen = linear(options);
  // B is split where y is, by columns; A where x is, by rows. The other of the two is whole on every rank.
  const rows = partition === "rows" ? partition : undefined;
  const columns = partition === "columns" ? partition : undefined;
  const narrow: Layer<Narrow, Tree> = sequence({
    down: linear({ inFeatures, outFeatures: rank, bias: false, std, partition: rows, shard }),
    up: linear({ inFeatures: rank, outFeatures, bias: false, std: 0, partition: columns, shard }),
  });
  const fixed = mapTree(frozen.spec, (leaf: ParamSpec): ParamSpec => ({ ...leaf, decay: false }));
  return {
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
  };
}

// 2. An MLP of two such products, trained by gradient descent to give zeros. `wrap` begins and ends what ranks share:
// the first product is split by columns, the second by rows, and their sums are added up behind it.

export async function main(world: World): Promise<number[]> {
  await chooseBackend(defaultBackend(), { ...process.env, OMP_NUM_THREADS: "1" });
  const parallel = world.size === 1 ? noTensorParallel : tensorParallel(world.all);
  const { weightShard: shard } = parallel;
  const up = lora({ inFeatures: 8, outFeatures: 16, std: 0.3, partition: "columns", shard }, 2);
  const down = lora({ inFeatures: 16, outFeatures: 8, std: 0.3, partition: "rows", shard }, 2);
  const layer = residual(parallel.wrap(sequence({ up, activation: gelu(), down })));
  const axis = tensorAxis(layer.spec, parallel, world.all);
  let params = materialize<ParamsOf<typeof layer>>(layer.spec, 1, shard);
  return Array.from({ length: 8 }, () => {
    const [y, saved] = layer.forward(params, ones([1, 4, 8]), evalContext);
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
