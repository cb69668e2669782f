// What a rank's tensors hold of parameters, whoever shared them out: so that states are saved and loaded
// without knowing how.

import type { Part } from "@tessera/mesh";
import type { Window } from "@tessera/random";
import { windowOf, type ParamSpec } from "./spec.js";

/** Some elements of a parameter, one after another both in a window of it and in a tensor. */
export interface Piece {
  readonly path: string;
  readonly window: Window;
  /** The place in the window, in its order, of the piece's first element. */
  readonly first: number;
  readonly size: number;
  /** Its place in the tensor. What no piece covers there is padding. */
  readonly at: number;
}

/** A tensor before it exists, and what of which parameters it holds. */
export interface Holding {
  readonly shape: readonly number[];
  readonly pieces: readonly Piece[];
}

const sizeOf = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);

/** A tensor that has all that `part` holds of a parameter. */
export function holdingOf(spec: ParamSpec, part: Part, path: string): Holding {
  const window = windowOf(spec, part, path);
  const whole = { path, window, first: 0, size: sizeOf(window.size), at: 0 };
  return { shape: window.size, pieces: [whole] };
}

/**
 * What of `piece` lies in part `index` of the tensor it is in, whose parts have `size` elements each: a
 * list of one piece, or of none.
 */
export function cutPiece(piece: Piece, index: number, size: number): readonly Piece[] {
  const from = Math.max(piece.at, index * size);
  const to = Math.min(piece.at + piece.size, (index + 1) * size);
  if (from >= to) return [];
  const first = piece.first + from - piece.at;
  return [{ ...piece, first, size: to - from, at: from - index * size }];
}

/** One of `count` shares of a piece, as even as can be: a list of one piece, or of none. */
export function sharePiece(piece: Piece, { index, count }: Part): readonly Piece[] {
  const [from, to] = [index, index + 1].map((i) => Math.floor((piece.size * i) / count));
  const [start, size] = [from!, to! - from!];
  if (size === 0) return [];
  return [{ ...piece, first: piece.first + start, size, at: piece.at + start }];
}
