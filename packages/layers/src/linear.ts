// y = x W + b, with W sharded by columns or by rows over tensor-parallel ranks (Shoeybi et al., 2019).

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
import { matrix, vector, type DeferredGradient, type Partition } from "@tessera/params";
import { reshapeAndDispose } from "./and_dispose.js";
import type { Layer } from "./layer.js";

/** Weight [in, ...outFeatures] and bias [...outFeatures]. A type alias, as an interface is no `Tree` to TypeScript. */
export type LinearParams = { readonly weight: Tensor; readonly bias?: Tensor };
/** What a linear layer saves for backward: its input [..., in]. */
export type LinearSaved = { readonly x: Tensor };

/** The sizes of a linear layer, and how it is sharded. */
export interface LinearOptions {
  /** x is [..., inFeatures]. */
  readonly inFeatures: number;
  /** The width of y, or several dimensions that are flattened in y: [2, width] for a fused pair of projections. */
  readonly outFeatures: number | readonly number[];
  /** Default: true. */
  readonly bias?: boolean | undefined;
  /** Standard deviation of the initial weight. */
  readonly std: number;
  /** `columns`: each rank computes its shard of y. `rows`: each has a shard of x, and y are partial sums. */
  readonly partition?: "columns" | "rows" | undefined;
  /** Groups of columns or rows that stay on one rank, as heads do. Default: single columns or rows. */
  readonly units?: Units | undefined;
  /** This rank's shard of the units. Default: all of them. */
  readonly shard?: ShardIndex | undefined;
}

/** A `Partition` but for its dimension. Default of `rule`: even. */
export type Units = Pick<Partition, "units" | "unitName"> & Partial<Pick<Partition, "rule">>;

/** x [..., in] -> y [..., out], with weight [in, ...outFeatures] and bias [...outFeatures]. Saves x. */
export function linear(options: LinearOptions): Layer<LinearParams, LinearSaved> {
  const { inFeatures, partition, shard = UNSHARDED, std } = options;
  const out = typeof options.outFeatures === "number" ? [options.outFeatures] : options.outFeatures;
  const shape = [inFeatures, ...out];
  const units = options.units ?? {
    units: partition === "rows" ? inFeatures : out.at(-1)!,
    unitName: partition ?? "",
  };
  const partitionAt = (dim: number): Partition => ({ rule: "even", ...units, dim });
  const columns = ({ length }: readonly number[]) =>
    partition === "columns" ? partitionAt(length - 1) : null;
  // Partial sums are all-reduced at the end of the region, so one rank alone adds the bias.
  const addsBias = partition !== "rows" || shard.index === 0;
  const asMatrix = (weight: Tensor): Tensor => reshape(weight, [weight.shape[0], -1]);

  return {
    spec: {
      weight: matrix(shape, partition === "rows" ? partitionAt(0) : columns(shape), std),
      ...(options.bias !== false && { bias: vector(out, columns(out), 0) }),
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
      sink.weight(deferWeightGradient(x, dy.clone(), params.weight.shape));
      if (params.bias !== undefined) {
        const dBias = addsBias ? call(sumRows, { dy }, {}).dBias : zerosLike(params.bias);
        sink.bias!(reshapeAndDispose(dBias, params.bias.shape));
      }
      return dx;
    },
  };
}

/** x^T dy as a tensor of `shape`, computed when the sink asks for it. Consumes x and dy, then. */
function deferWeightGradient(x: Tensor, dy: Tensor, shape: readonly number[]): DeferredGradient {
  const finish = (gradient: Tensor): Tensor => {
    x.dispose();
    dy.dispose();
    return reshapeAndDispose(gradient, shape);
  };
  return {
    compute: () => finish(call(weightGradient, { x, dy }, {}).dWeight),
    accumulateInto(total) {
      const sum = reshapeAndDispose(total, [shape[0]!, -1]);
      return finish(call(addWeightGradient, { sum, x, dy }, {}).total);
    },
  };
}
