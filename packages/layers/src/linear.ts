// y = x W + b, and W alone split by columns or by rows among the ranks of a region.

import { reshape, zerosLike, type Tensor } from "@tensorflow/tfjs-core";
import {
  addWeightGradient,
  call,
  linear as linearKernel,
  product,
  sumRows,
  weightGradient,
} from "@tessera/kernels";
import { UNSHARDED, type ShardIndex } from "@tessera/mesh";
import type { Partition } from "@tessera/params";
import type { DeferredGradient } from "@tessera/params";
import type { Layer } from "./layer.js";
import { reshapeAndDispose } from "./and_dispose.js";
import { matrix, vector } from "@tessera/params";

// Types, not interfaces: only they are trees to the compiler.
export type LinearParams = { readonly weight: Tensor; readonly bias?: Tensor };
export type LinearSaved = { readonly x: Tensor };

export interface LinearOptions {
  readonly inFeatures: number;
  /** The width of y, or its dimensions where they have meanings of their own. */
  readonly outFeatures: number | readonly number[];
  /** Whether something is added to the product: yes, unless it is said not to. */
  readonly bias?: boolean | undefined;
  /** Standard deviation of the initial weight. */
  readonly std: number;
  /** `columns`: each rank makes its part of y. `rows`: each adds its part of the sum to y. */
  readonly partition?: "columns" | "rows" | undefined;
  /** What is cut, in pieces that stay on one rank: single columns or rows, unless it is said. */
  readonly units?: Units | undefined;
  readonly shard?: ShardIndex | undefined;
}

export type Units = Pick<Partition, "units" | "unitName"> & Partial<Pick<Partition, "rule">>;

/** x [..., from] -> y [..., to], with weight [from, ...to] and perhaps bias [...to]. */
export function linear(options: LinearOptions): Layer<LinearParams, LinearSaved> {
  const { inFeatures, partition, shard = UNSHARDED, std } = options;
  const to = typeof options.outFeatures === "number" ? [options.outFeatures] : options.outFeatures;
  const shape = [inFeatures, ...to];
  const units = options.units ?? {
    units: partition === "rows" ? inFeatures : to.at(-1)!,
    unitName: partition ?? "",
  };
  const cutAt = (dim: number): Partition => ({ rule: "even", ...units, dim });
  const lastOf = ({ length }: readonly number[]) =>
    partition === "columns" ? cutAt(length - 1) : null;
  // Partial sums are added up where the region ends, so one rank adds the bias for all.
  const addsBias = partition !== "rows" || shard.index === 0;
  const asMatrix = (weight: Tensor): Tensor => reshape(weight, [weight.shape[0], -1]);

  return {
    spec: {
      weight: matrix(shape, partition === "rows" ? cutAt(0) : lastOf(shape), std),
      ...(options.bias !== false && { bias: vector(to, lastOf(to), 0) }),
    },
    forward(params, x) {
      const weight = asMatrix(params.weight);
      const bias = addsBias && params.bias ? reshape(params.bias, [-1]) : null;
      const { y } =
        bias === null
          ? call(product, { x, weight }, { transpose: false })
          : call(linearKernel, { x, weight, bias }, {});
      weight.dispose();
      bias?.dispose();
      return [y, { x: x.clone() }];
    },
    backward(params, { x }, dy, sink) {
      const weight = asMatrix(params.weight);
      const dx = call(product, { x: dy, weight }, { transpose: true }).y;
      weight.dispose();
      sink.weight(weightGradientOf(x, dy.clone(), params.weight.shape));
      if (params.bias !== undefined) {
        const dBias = addsBias ? call(sumRows, { dy }, {}).dBias : zerosLike(params.bias);
        sink.bias!(reshapeAndDispose(dBias, params.bias.shape));
      }
      return dx;
    },
  };
}

/** x^T dy under `shape`, once it is wanted. Owns both. */
function weightGradientOf(x: Tensor, dy: Tensor, shape: readonly number[]): DeferredGradient {
  const use = (make: () => Tensor): Tensor => {
    const made = make();
    x.dispose();
    dy.dispose();
    return reshapeAndDispose(made, shape);
  };
  return {
    compute: () => use(() => call(weightGradient, { x, dy }, {}).dWeight),
    accumulateInto: (whole) =>
      use(() => {
        const sum = reshapeAndDispose(whole, [shape[0]!, -1]);
        return call(addWeightGradient, { sum, x, dy }, {}).total;
      }),
  };
}
