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
import type { Placement, Sharded } from "@tessera/params/placement";
import { reshapeAndDispose } from "./and_dispose.js";
import { checkSize } from "./check_sizes.js";
import type { flow, Outside } from "./flow.js";
import { defineLayer, type Layer } from "./layer.js";

/** Weight [in, ...outFeatures] and bias [...outFeatures]. A type alias, as an interface is no `Tree` to TypeScript. */
export type LinearParams = { readonly weight: Tensor; readonly bias?: Tensor };
/** What a linear layer saves for backward: its input [..., in]. */
export type LinearSaved = { readonly x: Tensor };

/** Groups of columns or rows that stay on one rank, as heads do. Default of `rule`: even. */
export type Units = Pick<Partition, "units"> & Partial<Pick<Partition, "rule">>;

/** How a linear layer's weight is sharded, and so the placements of x and y: see `columns` and `rows`. */
export interface Split<In extends Placement, Out extends Placement> {
  readonly by: "columns" | "rows";
  /** What the sharded dimension of x or y is called. */
  readonly dim: string;
  readonly units: Units | undefined;
  readonly [flow]?: (x: In) => Out;
}

/** Each rank computes its shard of y, along what is called `dim`. Default of `units`: single columns. */
export const columns = <Dim extends string>(
  dim: Dim,
  units?: Units,
): Split<"replicated", Sharded<Dim>> => ({ by: "columns", dim, units });

/** Each rank has its shard of x, along what is called `dim`, and y are partial sums. Default: single rows. */
export const rows = <Dim extends string>(
  dim: Dim,
  units?: Units,
): Split<Sharded<Dim>, "partial"> => ({ by: "rows", dim, units });

/** This rank's shard of heads, columns and vocabulary inside tensor-parallel regions. */
export type WeightShard = ShardIndex<"weights">;

/** The sizes of a linear layer, and how it is sharded. */
export interface LinearOptions<In extends Placement = Outside, Out extends Placement = In> {
  /** x is [..., inFeatures]. */
  readonly inFeatures: number;
  /** The width of y, or several dimensions that are flattened in y: [2, width] for a fused pair of projections. */
  readonly outFeatures: number | readonly number[];
  /** Default: true. */
  readonly bias?: boolean | undefined;
  /** Standard deviation of the initial weight. */
  readonly std: number;
  /** Default: every rank has the whole weight. */
  readonly split?: Split<In, Out>;
  /** This rank's shard of what is split. Default: all of it. */
  readonly shard?: WeightShard | undefined;
}

/** x [..., in] -> y [..., out], with weight [in, ...outFeatures] and bias [...outFeatures]. Saves x. */
export function linear<In extends Placement = Outside, Out extends Placement = In>(
  options: LinearOptions<In, Out>,
): Layer<LinearParams, LinearSaved, In, Out> {
  const { inFeatures, split, shard = UNSHARDED, std } = options;
  const out = typeof options.outFeatures === "number" ? [options.outFeatures] : options.outFeatures;
  const shape = [inFeatures, ...out];
  for (const size of shape) checkSize("a width of a linear layer", size);
  const partitionAt = (dim: number, extent: number): Partition => ({
    rule: "even",
    units: extent,
    ...split?.units,
    unitName: split?.units === undefined ? (split?.by ?? "") : split.dim,
    dim,
  });
  const ofColumns = ({ length }: readonly number[]) =>
    split?.by === "columns" ? partitionAt(length - 1, out.at(-1)!) : null;
  // Partial sums are all-reduced at the end of the region, so one rank alone adds the bias.
  const addsBias = split?.by !== "rows" || shard.index === 0;
  const asMatrix = (weight: Tensor): Tensor => reshape(weight, [weight.shape[0], -1]);

  return defineLayer({
    spec: {
      weight: matrix(
        shape,
        split?.by === "rows" ? partitionAt(0, inFeatures) : ofColumns(shape),
        std,
      ),
      ...(options.bias !== false && { bias: vector(out, ofColumns(out), 0) }),
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
  });
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
