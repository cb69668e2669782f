// `@tessera/generation/weights`: weights in fewer bytes, which take less time to decode with: each token reads all of them.

import type { Tensor } from "@tensorflow/tfjs-core";
import { UserError } from "@tessera/config";
import { call, convert } from "@tessera/kernels";
import { supportsStorage, type WeightStorage } from "@tessera/kernels/memory";
import { leafAt, mapTree, type Like, type ParamSpec, type Tree } from "@tessera/params";

/** Storages that weights may have in generation. In `int8` each block of 64 of them has a scale. */
export const weightStorages = ["fp32", "bf16", "int8"] as const satisfies readonly WeightStorage[];

/**
 * `params` of `spec`, whose matrices are stored so; norms and biases stay in fp32. Consumes `params`.
 * @throws UserError where the backend that computes stores nothing so.
 */
export function storeWeights<P extends Tree>(
  params: P,
  spec: Like<P, ParamSpec>,
  storage: WeightStorage,
): P {
  if (!supportsStorage(storage)) {
    throw new UserError(
      `weights in ${storage}: the backend that computes stores none so; the native one does`,
    );
  }
  if (storage === "fp32") return params;
  return mapTree<Tree, Tensor, Tensor>(params, (x, path) => {
    // What weight decay applies to is a matrix.
    if (!leafAt<ParamSpec>(spec, path)!.decay) return x;
    const { y } = call(convert, { x }, { storage });
    x.dispose();
    return y;
  }) as P;
}
