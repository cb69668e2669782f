// The sublayers of a transformer block: a norm, a tensor-parallel region and dropout, added to the residual stream.

import type { Tensor } from "@tensorflow/tfjs-core";
import type { Tree } from "@tessera/params";
import { parallel, stack } from "./chain.js";
import { defineLayer, residual, type Layer, type LayerBody, type NoParams } from "./layer.js";

declare const region: unique symbol;

/** A tensor-parallel region: what `TensorParallel.wrap` makes of the layer inside. */
export interface Region<P extends Tree> extends Layer<P, Tree> {
  readonly [region]: true;
}

/** The region with this body, which begins and ends outside. */
export const defineRegion = <P extends Tree>(body: LayerBody<P, Tree>): Region<P> =>
  defineLayer<P, Tree>(body) as Region<P>;

/** The parts of a sublayer. */
export interface PreNormParts<N extends Tree, P extends Tree> {
  readonly norm: Layer<N, Tree>;
  readonly region: Region<P>;
  readonly drop: Layer<NoParams, NoParams>;
}

/** The parameters of a sublayer whose region is called `Name`. */
export type PreNormParams<Name extends string, N extends Tree, P extends Tree> = Readonly<
  Record<"norm", N> & Record<Name, P> & Record<"drop", NoParams>
>;

/** drop(region(norm(x))), with the region's parameters under `name`. */
const sublayer = <N extends Tree, P extends Tree>(
  name: string,
  { norm, region, drop }: PreNormParts<N, P>,
) => stack({ norm, [name]: region, drop });

/** x + drop(region(norm(x))) (Radford et al., 2019). Parameters are under `norm`, `name` and `drop`. */
export const preNorm = <
  const Name extends string,
  N extends { readonly gain: Tensor },
  P extends Tree,
>(
  name: Name,
  parts: PreNormParts<N, P>,
): Layer<PreNormParams<Name, N, P>, Tree> =>
  // A computed name loses its type; the parameters' type has it again.
  residual(sublayer(name, parts)) as unknown as Layer<PreNormParams<Name, N, P>, Tree>;

/** A sublayer beside others, whose region is called `name`. */
export interface Branch<Name extends string, N extends Tree, P extends Tree> extends PreNormParts<
  N,
  P
> {
  readonly name: Name;
}

type BranchParams<B> =
  B extends Branch<infer Name, infer N, infer P> ? PreNormParams<Name, N, P> : never;

/**
 * x + the sum of drop(region(norm(x))) over branches (Black et al., 2022). Parameters of each are under its key, as those of
 * `preNorm`.
 */
export const parallelPreNorms = <
  const B extends Readonly<Record<string, Branch<string, Tree, Tree>>>,
>(
  branches: B,
): Layer<{ readonly [K in keyof B]: BranchParams<B[K]> }, Tree> => {
  const layers = Object.entries(branches).map(
    ([key, { name, ...parts }]) => [key, sublayer(name, parts)] as const,
  );
  // Computed names lose their types; the parameters' type has them again.
  return residual(parallel(Object.fromEntries(layers))) as unknown as Layer<
    { readonly [K in keyof B]: BranchParams<B[K]> },
    Tree
  >;
};
