// y = x W + b, with W sharded by columns or by rows over tensor-parallel ranks (Shoeybi et al., 2019).

import { reshape, zerosLike, type Tensor } from "@tensorflow/tfjs-core";
import { call, linear as linearKernel, product, sumRows } from "@tessera/kernels";
import { UNSHARDED, type ShardIndex } from "@tessera/mesh";
import { matrix, vector, type Partition } from "@tessera/params";
import { isDiscarded } from "@tessera/params/frozen";
import type { Placement, Sharded } from "@tessera/params/placement";
import { reshapeAndDispose } from "./and_dispose.js";
import { checkSize } from "./check_sizes.js";
import {
  lowRank,
  type AdaptedLinear,
  type LoraOptions,
  type LoraParams,
  type LowRank,
  type Projection,
} from "./lora.js";
import { deferWeightGradient } from "./weight_gradient.js";
import type { flow, Outside } from "./flow.js";
import { defineLayer, type Layer } from "./layer.js";

/**
 * Weight [in, ...outFeatures], bias [...outFeatures], and what adapts them. A type alias, as an interface is no `Tree` to
 * TypeScript.
 */
export type LinearParams = {
  readonly weight: Tensor;
  readonly bias?: Tensor;
  readonly lora?: LoraParams;
};
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
  /** What y consists of, for `lora`: a name for each of its parts of `outFeatures.at(-1)` columns. Default: none. */
  readonly projections?: readonly Projection[];
  /** Low-rank adaptation of those projections that it targets. Default: none. */
  readonly lora?: LoraOptions | undefined;
}

type LinearSizes = Omit<LinearOptions<Placement, Placement>, "split">;

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
  const adaptation = adaptationOf(options, {
    rows: split?.by === "rows" ? partitionAt(0, inFeatures) : null,
    columns: ofColumns([inFeatures, out.at(-1)!]),
  });
  const asMatrix = (weight: Tensor): Tensor => reshape(weight, [weight.shape[0], -1]);

  return defineLayer({
    spec: {
      weight: matrix(
        shape,
        split?.by === "rows" ? partitionAt(0, inFeatures) : ofColumns(shape),
        std,
      ),
      ...(options.bias !== false && { bias: vector(out, ofColumns(out), 0) }),
      ...(adaptation && { lora: adaptation.spec }),
    },
    forward(params, x, ctx) {
      const weight = asMatrix(params.weight);
      const bias = addsBias && params.bias ? reshape(params.bias, [-1]) : null;
      const { y } =
        bias === null
          ? call(product, { x, weight }, { transpose: false })
          : call(linearKernel, { x, weight, bias }, {});
      weight.dispose();
      bias?.dispose();
      const adapted = adaptation ? adaptation.addTo(y, params.lora!, x, ctx) : y;
      return [adapted, { x: x.clone() }];
    },
    backward(params, { x }, dy, sink, ctx) {
      const weight = asMatrix(params.weight);
      const own = call(product, { x: dy, weight }, { transpose: true }).y;
      weight.dispose();
      const dx = adaptation
        ? adaptation.backward(params.lora!, { x, dy, dx: own }, sink.lora!, ctx)
        : own;
      sink.weight(deferWeightGradient(x, dy.clone(), params.weight.shape));
      if (params.bias !== undefined && !isDiscarded(sink.bias)) {
        const dBias = addsBias ? call(sumRows, { dy }, {}).dBias : zerosLike(params.bias);
        sink.bias!(reshapeAndDispose(dBias, params.bias.shape));
      }
      return dx;
    },
  });
}

/** What `lora` adds to a linear layer; null where it targets none of its projections. */
function adaptationOf(
  { inFeatures, outFeatures, projections = [], lora, shard = UNSHARDED }: LinearSizes,
  partitions: Pick<AdaptedLinear, "rows" | "columns">,
): LowRank | null {
  if (lora === undefined || !projections.some((name) => lora.targets.includes(name))) return null;
  const width = typeof outFeatures === "number" ? outFeatures : outFeatures.at(-1)!;
  return lowRank(lora, { inFeatures, width, projections, shard, ...partitions });
}
