// `@tessera/layers/placement`: what says how layers fit together, or do not.

export type { LayerOf, SequenceOf } from "./chain.js";
export type { TokenShard } from "./dropout.js";
export type { InOf, Misfit, Outside, OutOf, Summed, Tokenwise } from "./flow.js";
export type { LayerBody } from "./layer.js";
export { defineRegion, type Region } from "./pre_norm.js";
export type { Split, WeightShard } from "./linear.js";
