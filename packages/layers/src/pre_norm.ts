// The sublayers of a transformer block: a norm, a tensor-parallel region and dropout, added to the residual stream.

import type { Tensor } from "@tensorflow/tfjs-core";
import type { Tree } from "@tessera/params";
import { stack } from "./chain.js";
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

/** x + drop(region(norm(x))) (Radford et al., 2019). Parameters are under `norm`, `name` and `drop`. */
export const preNorm = <
  const Name extends string,
  N extends { readonly gain: Tensor },
  P extends Tree,
>(
  name: Name,
  { norm, region, drop }: PreNormParts<N, P>,
): Layer<PreNormParams<Name, N, P>, Tree> =>
  // A computed name loses its type; the parameters' type has it again.
  residual(stack({ norm, [name]: region, drop })) as unknown as Layer<
    PreNormParams<Name, N, P>,
    Tree
  >;
