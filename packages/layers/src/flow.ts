// Which layers fit together: the placements at both ends of each, and what the compiler says where they do not meet.

import type { Placement, Sharded } from "@tessera/params/placement";

/** The key of a layer's placements in its type. At run time there is nothing at it. */
export declare const flow: unique symbol;

/** All that has placements at its ends; `InOf` and `OutOf` say which. */
export interface Flow {
  readonly [flow]: unknown;
}

/**
 * Outside of tensor-parallel regions each rank has all tokens or, in sequence parallelism, its shard of them. Layers
 * that compute each token by itself serve both.
 */
export type Outside = "invariant" | Sharded<"tokens">;

/** Where each rank has whole tokens, of which a layer computes each by itself. */
export type Tokenwise = Outside | "replicated";

/** All but terms of a sum: a function of a sum is no sum of its function's values. */
export type Summed = Exclude<Placement, "partial">;

/** The placement of what a layer takes. */
export type InOf<L extends Flow> = L[typeof flow] extends (x: infer In extends Placement) => unknown
  ? In
  : never;
/** The placement of what a layer returns. */
export type OutOf<L extends Flow> = L[typeof flow] extends (x: never) => infer Out
  ? Extract<Out, Placement>
  : never;

/** Nothing is one: a parameter of this type says in an error what does not fit. */
export interface Misfit<Text extends string> {
  readonly misfit: Text;
}

/** `P` in words. */
type Words<P extends Placement> = [Outside] extends [P] ? "invariant or sharded:tokens" : P;

/** What to do where `Out` does not meet `In`. */
type Advice<Out extends Placement, In extends Placement> = [Out] extends ["partial"]
  ? "add up the terms with tensorParallel.wrap()"
  : [In] extends ["replicated"]
    ? "begin a region with tensorParallel.wrap()"
    : [In] extends [Outside]
      ? `end the region before it or, if it belongs inside, say so: layer<"${Out}">()`
      : "split both along the same dimension";

/** `unknown` where a layer that takes `In` may follow one that returns `Out`. */
export type Meets<Out extends Placement, In extends Placement> = [Out] extends [In]
  ? unknown
  : Misfit<`${Words<Out>} meets a layer that needs ${Words<In>}: ${Advice<Out, In>}`>;

/** `unknown` where x and y may be added up. */
export type SameEnds<In extends Placement, Out extends Placement> = [In, Out] extends [Out, In]
  ? unknown
  : Misfit<`a residual adds ${Words<In>} and ${Words<Out>}: ${Advice<Out, In>}`>;
