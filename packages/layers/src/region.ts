// A region is a stretch of the model that tensor parallelism splits. The model says where it starts
// and ends; the region decides what is sent there, and who holds which part.

import { WHOLE, type Part } from "@tessera/mesh";
import { identity, type Layer, type Nothing } from "./layer.js";

export type Boundary = Layer<Nothing, Nothing>;

export interface Region {
  readonly enter: Boundary;
  readonly leave: Boundary;
  /** The part of the heads and columns that this rank holds inside the region. */
  readonly inside: Part;
  /** The part of the tokens of each sequence that this rank holds outside of it. */
  readonly outside: Part;
}

/** Nothing is split, nothing is sent. */
export const whole: Region = { enter: identity, leave: identity, inside: WHOLE, outside: WHOLE };
