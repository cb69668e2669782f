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
import { WHOLE, type Part } from "@tessera/mesh";
import type { Cut } from "./cut.js";
import type { LateGradient } from "./gradient.js";
import type { Layer } from "./layer.js";
import { reshapeOwned } from "./owned.js";
import { matrix, vector } from "./spec.js";

// Types, not interfaces: only they are trees to the compiler.
export type LinearParams = { readonly weight: Tensor; readonly bias?: Tensor };
export type LinearSaved = { readonly x: Tensor };

export interface LinearOptions {
  readonly from: number;
  /** The width of y, or its dimensions where they have meanings of their own. */
  readonly to: number | readonly number[];
  /** Whether something is added to the product: yes, unless it is said not to. */
  readonly bias?: boolean | undefined;
  /** Standard deviation of the initial weight. */
  readonly deviation: number;
  /** `columns`: each rank makes its part of y. `rows`: each adds its part of the sum to y. */
  readonly cut?: "columns" | "rows" | undefined;
  /** What is cut, in pieces that stay on one rank: single columns or rows, unless it is said. */
  readonly units?: Units | undefined;
  readonly inside?: Part | undefined;
}

export type Units = Pick<Cut, "units" | "of"> & Partial<Pick<Cut, "rule">>;

/** x [..., from] -> y [..., to], with weight [from, ...to] and perhaps bias [...to]. */
export function linear(options: LinearOptions): Layer<LinearParams, LinearSaved> {
  const { from, cut, inside = WHOLE, deviation } = options;
  const to = typeof options.to === "number" ? [options.to] : options.to;
  const shape = [from, ...to];
  const units = options.units ?? { units: cut === "rows" ? from : to.at(-1)!, of: cut ?? "" };
  const cutAt = (dim: number): Cut => ({ rule: "even", ...units, dim });
  const lastOf = ({ length }: readonly number[]) => (cut === "columns" ? cutAt(length - 1) : null);
  // Partial sums are added up where the region ends, so one rank adds the bias for all.
  const addsBias = cut !== "rows" || inside.index === 0;
  const asMatrix = (weight: Tensor): Tensor => reshape(weight, [weight.shape[0], -1]);

  return {
    spec: {
      weight: matrix(shape, cut === "rows" ? cutAt(0) : lastOf(shape), deviation),
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
        sink.bias!(reshapeOwned(dBias, params.bias.shape));
      }
      return dx;
    },
  };
}

/** x^T dy under `shape`, once it is wanted. Owns both. */
function weightGradientOf(x: Tensor, dy: Tensor, shape: readonly number[]): LateGradient {
  const use = (make: () => Tensor): Tensor => {
    const made = make();
    x.dispose();
    dy.dispose();
    return reshapeOwned(made, shape);
  };
  return {
    alone: () => use(() => call(weightGradient, { x, dy }, {}).dWeight),
    addedTo: (whole) =>
      use(() => {
        const sum = reshapeOwned(whole, [shape[0]!, -1]);
        return call(addWeightGradient, { sum, x, dy }, {}).total;
      }),
  };
}
