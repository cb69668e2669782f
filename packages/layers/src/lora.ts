// `@tessera/layers/lora`: low-rank adaptation (Hu et al., 2021), the product of two narrow matrices, which is added to
// what a linear layer computes, and trained in its place.

import { mul, stack, unstack, type Tensor } from "@tensorflow/tfjs-core";
import type { ShardIndex } from "@tessera/mesh";
import { call, dropout as dropoutKernel, product, randomSlice } from "@tessera/kernels";
import {
  constant,
  shardSlice,
  vector,
  type GradientSink,
  type Like,
  type ParamSpec,
  type Partition,
} from "@tessera/params";
import { addAndDispose, reshapeAndDispose } from "./and_dispose.js";
import { checkSize } from "./check_sizes.js";
import { childContext, rngKey, type ForwardContext } from "./forward_context.js";
import { deferWeightGradient } from "./weight_gradient.js";

/** The linear layers of a block, of which some are two in one: key and value, gate and up. */
export const projections = ["query", "key", "value", "output", "gate", "up", "down"] as const;

/** One of them. */
export type Projection = (typeof projections)[number];

/** Which linear layers are adapted, and how. */
export interface LoraOptions {
  /** Columns of A and rows of B. */
  readonly rank: number;
  /** The factor of the product: alpha / rank, or alpha / sqrt(rank) in rsLoRA (Kalajdzievski, 2023). */
  readonly scale: number;
  /** Probability of dropping an element of the product's input in training. */
  readonly dropout: number;
  readonly targets: readonly Projection[];
}

/** A [in, rank] and B [rank, out] of each adapted projection, by its name. */
export type LoraParams = Readonly<Record<string, { readonly a: Tensor; readonly b: Tensor }>>;

/** The linear layer that is adapted, in its tensor-parallel region. */
export interface AdaptedLinear {
  readonly inFeatures: number;
  /** Columns of each of its projections. */
  readonly width: number;
  /** In the order of their columns. */
  readonly projections: readonly Projection[];
  /** How the rows of its weight are sharded, and so those of A; null where they are not. */
  readonly rows: Partition | null;
  /** The same of its columns, and those of B. */
  readonly columns: Partition | null;
  /** This rank's shard of what is sharded. */
  readonly shard: ShardIndex;
}

/**
 * For each adapted projection, scale x dropout(x) A B. Where columns are sharded, A is replicated; where rows are, x A is a
 * partial sum, and so is the product. Saves nothing: backward computes x A again, as A is narrow.
 */
export function lowRank(options: LoraOptions, linear: AdaptedLinear): LowRank {
  const { scale, targets } = options;
  const adapted = linear.projections.map((name) => (targets.includes(name) ? name : null));
  const dropped = inputDropout(options.dropout, linear);
  /** Calls `use` with the columns of each projection, and its name if it is adapted. Consumes x. */
  const mapColumns = <R>(x: Tensor, use: (own: Tensor, name: Projection | null) => R): R[] =>
    splitColumns(x, adapted.length).map((own, i) => use(own, adapted[i] ?? null));

  return {
    spec: Object.fromEntries(
      adapted.flatMap((name) => (name === null ? [] : [[name, specOf(options, linear)]])),
    ),
    addTo(y, params, x, ctx) {
      const sums = mapColumns(y, (own, name) => {
        if (name === null) return own;
        const { a, b } = params[name]!;
        const h = scaledProduct(dropped(x, name, ctx), a, scale);
        const delta = call(product, { x: h, weight: b }, { transpose: false }).y;
        h.dispose();
        return addAndDispose(own, delta);
      });
      return joinColumns(sums);
    },
    backward(params, { x, dy, dx }, sink, ctx) {
      let total = dx;
      mapColumns(dy.clone(), (own, name) => {
        if (name === null) {
          own.dispose();
          return;
        }
        const { a, b } = params[name]!;
        const input = dropped(x, name, ctx);
        const h = scaledProduct(input.clone(), a, scale);
        const dh = scaledProduct(own.clone(), b, scale, true);
        const dInput = call(product, { x: dh, weight: a }, { transpose: true }).y;
        sink[name]!.b(deferWeightGradient(h, own, b.shape));
        sink[name]!.a(deferWeightGradient(input, dh, a.shape));
        total = addAndDispose(total, dropped(dInput, name, ctx));
        dInput.dispose();
      });
      return total;
    },
  };
}

/** As in PEFT: A as `nn.Linear` begins, and B zero, so that training begins with the adapted layer as it was. */
const specOf = ({ rank }: LoraOptions, { inFeatures, width, rows, columns }: AdaptedLinear) => {
  checkSize("the rank of LoRA", rank);
  const bound = 1 / Math.sqrt(inFeatures);
  return {
    a: {
      shape: [inFeatures, rank],
      partition: rows,
      init: { kind: "uniform", bound },
      decay: true,
    },
    b: { shape: [rank, width], partition: columns, init: constant(0), decay: true },
  } as const satisfies Like<LoraParams[string], ParamSpec>;
};

/** Dropout of the input of each projection, with a mask of its own, and of its gradient. Borrows x. */
function inputDropout(rate: number, { inFeatures, rows, shard }: AdaptedLinear) {
  const [first] = shardSlice(vector([inFeatures], rows, 0), shard, "the input of LoRA").start as [
    number,
  ];
  return (x: Tensor, name: Projection, ctx: ForwardContext): Tensor => {
    if (rate === 0 || !ctx.training) return x.clone();
    const [batch, time, columns] = x.shape as [number, number, number];
    const slice = {
      shape: [ctx.rows, time, inFeatures],
      start: [ctx.firstRow, 0, first],
      size: [batch, time, columns],
    };
    const key = rngKey(childContext(childContext(ctx, "lora"), name));
    return call(dropoutKernel, { x }, { ...randomSlice(slice, key), rate }).y;
  };
}

/** The adaptation of one linear layer. */
export interface LowRank {
  readonly spec: Like<LoraParams, ParamSpec>;
  /** y plus the products. Consumes y [..., out]; borrows x [..., in]. */
  addTo(y: Tensor, params: LoraParams, x: Tensor, ctx: ForwardContext): Tensor;
  /** dx plus the products' gradients of x. Consumes dx; borrows x and dy. */
  backward(
    params: LoraParams,
    tensors: { readonly x: Tensor; readonly dy: Tensor; readonly dx: Tensor },
    sink: GradientSink<LoraParams>,
    ctx: ForwardContext,
  ): Tensor;
}

/** x times scale x weight, or its transpose: the factor goes to the smaller operand. Consumes x. */
function scaledProduct(x: Tensor, weight: Tensor, scale: number, transpose = false): Tensor {
  const scaled: Tensor = mul(weight, scale);
  const { y } = call(product, { x, weight: scaled }, { transpose });
  scaled.dispose();
  x.dispose();
  return y;
}

/** x [..., count x width] as `count` tensors [..., width]. Consumes x. */
function splitColumns(x: Tensor, count: number): Tensor[] {
  if (count === 1) return [x];
  const apart = reshapeAndDispose(x, [...x.shape.slice(0, -1), count, -1]);
  const parts = unstack(apart, apart.rank - 2);
  apart.dispose();
  return parts;
}

/** The inverse of `splitColumns`. Consumes `parts`. */
function joinColumns(parts: readonly Tensor[]): Tensor {
  const [first] = parts as readonly [Tensor];
  if (parts.length === 1) return first;
  const apart = stack([...parts], first.rank - 1);
  for (const part of parts) part.dispose();
  return reshapeAndDispose(apart, [...first.shape.slice(0, -1), -1]);
}
